"""TensorBoard's event files of a run, with the summaries of the listing (appendix, lines 222-247 of its network).

The feature maps come from the first validation frame, after bias and activation; those of the listing come from before
these, and from training crops too. Every epoch is a file of its own in summaries/training and summaries/validation, so
that a run that was stopped, killed or resumed has each epoch once. tensorboardX writes the files: pip install
"stemnet_ref[tensorboard]".
"""

import struct
import time

import numpy as np

from ..network.maps import liveliest
from ..program.extras import library
from ..storage.files import make_folder, write_atomically
from ..storage.outputs import EVENTS
from .page import example_maps

OPTION = "--summaries"
# Column of metrics.csv by the name in TensorBoard, which plots training and validation together where they share it
TRAINING = {"loss": "train_loss", "f1_pooled": "train_f1", "learning_rate": "learning_rate", **{
    name: f"train_{name}" for name in ("accuracy", "precision", "recall", "error_rate_percent", "false_white_fraction",
                                       "white_pixel_accuracy")}}
VALIDATION = {"loss": "val_loss", "accuracy": "val_accuracy", **{
    name: name for name in ("precision", "recall", "f1", "f1_pooled", "error_rate_percent", "false_white_fraction",
                            "white_pixel_accuracy", "iou", "kappa", "roc_auc")}}


def write(run):
    """Write the event files of the last epoch of a `training.run.Run`, and of every earlier epoch that has none.

    Those of earlier epochs are without feature maps.

    Raises
    ------
    InputError
        If tensorboardX is not installed, or a file cannot be written.
    """
    make = library("tensorboardX.summary", "tensorboardX", OPTION)
    for part, columns in (("training", TRAINING), ("validation", VALIDATION)):
        folder = run.out / "summaries" / part
        make_folder(folder)
        for row in run.rows:
            path = folder / f"events.out.tfevents.{row['epoch']:010d}"
            last = row is run.rows[-1]
            if path.exists() and not last:
                continue
            found = [make.scalar(f"measures/{name}", row[column]) for name, column in columns.items()]
            if last and part == "validation":
                found += summarise_maps(make, example_maps(run.network, run.data))
            _write_events(path, row["epoch"], found)


def summarise_maps(make, maps):
    """Return summaries of `maps.feature_maps`: a picture for each layer, and a histogram for each convolution.

    The picture shows the map that varies most, scaled from its smallest value to its largest. `make` is the module
    tensorboardX.summary.
    """
    found = []
    for name, array in maps.items():
        picture = liveliest(array)[0].astype(float)
        picture -= picture.min()
        picture /= picture.max() or 1.0
        found.append(make.image(f"maps/{name}", (255 * picture).round().astype(np.uint8), dataformats="HW"))
        if name.endswith(("conv", "output")):
            found.append(make.histogram(f"activations/{name}", array, bins=100))
    return found


def _write_events(path, step, summaries):
    """Write summaries as one event file, in one move."""
    crc = library("tensorboardX.record_writer", "tensorboardX", OPTION).masked_crc32c
    event = library("tensorboardX.proto.event_pb2", "tensorboardX", OPTION).Event
    now = time.time()
    events = [event(wall_time=now, file_version="brain.Event:2"),
              *(event(wall_time=now, step=step, summary=summary) for summary in summaries)]
    records = []
    for data in (each.SerializeToString() for each in events):  # each becomes a record of the TFRecord format
        length = struct.pack("<Q", len(data))
        records += length, struct.pack("<I", crc(length)), data, struct.pack("<I", crc(data))
    write_atomically(path, b"".join(records), EVENTS)
