"""A small real time-lapse with masks: T98G cells, two fields of view (README.md beside this file)."""

from pathlib import Path

FRAMES = Path(__file__).parent / "frames"
MASKS = Path(__file__).parent / "masks"
SOURCE = "T98G frames of Tsai et al. 2019, MIT licence"
