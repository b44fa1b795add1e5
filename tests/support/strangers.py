"""Files that no command of the package has written."""

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo


def arrays(path, **named):
    with open(path, "wb") as file:
        np.savez(file, **named)


STRANGERS = {
    "empty": lambda path: path.touch(), "text": lambda path: path.write_text("mine"),
    "png": lambda path: Image.new("L", (4, 4)).save(path, "PNG"),
    "npz": lambda path: arrays(path, about=np.array('{"format": "mine"}'), x=np.arange(3)),
    "pickle": lambda path: arrays(path, about=np.array([{}], object)),
    "json": lambda path: path.write_text('{"machine": 1}'), "list": lambda path: path.write_text("[1]"),
    "html": lambda path: path.write_text("<!doctype html><title>One step of training, number by number</title>")}


def png(software):
    def make(path):
        said = PngInfo()
        said.add_text("Software", software)
        Image.new("L", (4, 4)).save(path, "PNG", pnginfo=said)
    return make
