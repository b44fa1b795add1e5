"""The commands that write into a folder, run in this process."""

from refusals import SMALL, script

import run_predict
import run_train
from stemnet_ref.data import preprocess
from stemnet_ref.experiments import __main__ as experiments

RUNS = {
    "train": (run_train.main, ["--frames", "movie/frames", "--masks", "movie/masks", *SMALL, "--out"]),
    "predict": (run_predict.main, ["run", "movie/frames", "--out"]),
    "measure": (run_predict.main, ["run", "movie/frames", "--masks", "movie/masks", "--out"]),
    "challenge": (run_predict.main, ["run", "movie/frames", "--results", "challenge", "--out"]),
    "preprocess": (preprocess.main, ["movie/frames", "--masks", "movie/masks", "--size", "0"]),
    "experiments": (experiments.main, ["table3", "--frames", "movie/frames", "--masks", "movie/masks", *SMALL,
                                       "--seeds", "1", "--vary", "l2=0,1", "--channels", "1", "--out"]),
}


def into(command, target):
    main, words = RUNS[command]
    return script(main, *(words if words[-1] == "--out" else [words[0], target, *words[1:]]),
                  *([target] if words[-1] == "--out" else []))
