"""Measure whether the step waits for the reader, on the sample's frames, without and with all augmentation."""

import time

from ..data.crops.batch import assemble
from ..data.crops.epoch import plan_epoch
from ..data.scaling import Scaling
from ..data.training import open_dataset
from ..network.stemnet import StemNet
from ..training.settings import Settings
from ..training.step import Objective, Steps, make_optimizer

CROPS = 128, 416            # sides in pixels; frames have 448
AUGMENTED = {"augment": True, "rotation": 180.0, "elastic": 10.0, "brightness": 0.3, "contrast": 0.3, "on_cells": 0.5,
             "paste": 2, "border_weight": 10.0}


def measure(channels, count, backend):
    """Measure `count` steps for each size of crop; print and return the seconds.

    Returns
    -------
    dict of str to dict of str to float
        Seconds of a step ("step"), of waiting for the reader in it ("waited"), and of preparing a crop alone ("alone"),
        by "plain 128", "augmented 128" and so on.
    """
    found = {}
    print(f"{'crops':<18}{'step':>10}{'waited':>10}{'alone':>10}   (ms; alone: to prepare a crop with nothing beside)")
    for crop in CROPS:
        for name, changed in (("plain", {}), ("augmented", AUGMENTED)):
            settings = Settings(channels=channels, crop=crop, crops_per_frame=-(-(count + 4) // 10), **changed)
            row = found[f"{name} {crop}"] = _measure(StemNet(channels), settings, count, backend)
            print(f"{name + ' ' + str(crop):<18}" + "".join(f"{1e3 * value:10.2f}" for value in row.values()))
        ratio = found[f"augmented {crop}"]["step"] / found[f"plain {crop}"]["step"]
        print(f"{'augmented / plain':<18}{ratio:10.2f}")
    return found


def _measure(network, settings, count, backend):
    data = open_dataset(settings, None, None, backend.device, log=lambda line: None)
    scaling = Scaling(127.0, 18.0)
    network.to(backend)
    steps = Steps(network, make_optimizer(settings, backend), Objective.of(settings, 10), backend)
    plan = plan_epoch(data, range(10), settings, 0)[:count + 4]
    for each in plan:                                       # reads all frames
        data.sample(each)
    started = time.perf_counter()
    for each in plan:
        loaded = data.sample(each)
        if backend.device is None:
            assemble(scaling, [loaded])
    alone = (time.perf_counter() - started) / len(plan)
    batches, waited = data.batches(plan, 1, scaling), 0.0
    for step in range(len(plan)):
        if step == 4:                                       # loading ahead, compiling and recording are over
            waited, started = 0.0, time.perf_counter()
        before = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - before
        steps.run(batch, step)
        if step % steps.max_pending == steps.max_pending - 1:
            steps.flush()
    steps.flush()
    return {"step": (time.perf_counter() - started) / count, "waited": waited / count, "alone": alone}
