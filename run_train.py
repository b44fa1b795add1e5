"""Train StemNet on a time-lapse: python run_train.py --help"""

if __name__ == "__main__":
    from stemnet_ref.program import start  # noqa: F401 - before NumPy is imported

import shlex
import sys
from dataclasses import replace
from pathlib import Path

from stemnet_ref.program import cli
from stemnet_ref.program.extras import library
from stemnet_ref.program.options import Option, Parser
from stemnet_ref.program.terminal import step_bar
from stemnet_ref.report import figures, summaries
from stemnet_ref.report.page import Report
from stemnet_ref.sample import SOURCE
from stemnet_ref.storage import files, locks, outputs
from stemnet_ref.training.run import Run
from stemnet_ref.training.saved import resolve
from stemnet_ref.training.settings import COMPUTATION, FRAMES, MASKS
from stemnet_ref.training.settings import OPTIONS as SETTINGS

TABLE = (("epoch", 5, "d"), ("seconds", 8, ".1f"), ("learning_rate", 14, ".5f"), ("train_loss", 11, ".4f"),
         ("val_loss", 9, ".4f"), ("val_accuracy", 13, ".4f"), ("precision", 10, ".3f"), ("recall", 7, ".3f"),
         ("f1", 6, ".3f"), ("f1_pooled", 10, ".3f"))


RUN = "run"
OPTIONS = {
    "frames": replace(FRAMES, group=RUN), "masks": replace(MASKS, group=RUN),
    "out": Option("folder for the model, curves and tables", metavar="DIR", group=RUN,
                  default_text="runs/networkN, N is --channels; or runs/networkN-2, ..."),
    "resume": Option("go on with the run in --out; only --epochs, --backend, --precision and the place of --frames and "
                     "--masks may change", False, bool, group=RUN),
    **{name: replace(option, group=RUN) for name, option in COMPUTATION.items()},
    "summaries": Option("write TensorBoard's event files too; tensorboard --logdir DIR/summaries shows them", False,
                        bool, group=RUN),
    **SETTINGS,
}


def options():
    """Return the parser. A setting that is not given is absent from the result, so that presets can fill it."""
    return Parser("run_train.py", "Train StemNet on frames of a time-lapse and their masks. Without --frames: on "
                                  "the sample that comes with the package.", OPTIONS)


def main(argv=None):
    """Train; return the exit status."""
    given = vars(options().parse_args(argv))
    settings, frames, masks, out = resolve(given)
    with locks.Claim(out, check=lambda: outputs.check_run(out, given["resume"]), log=cli.log) as claim:
        return train(given, settings, frames, masks, claim)


def train(given, settings, frames, masks, claim):
    """Train in a folder that is claimed; return the exit status."""
    out, resume = claim.folder, given["resume"]
    with_summaries = given["summaries"] or (out / "summaries").is_dir()      # they go on when resumed
    if with_summaries:
        library("tensorboardX", "tensorboardX", summaries.OPTION if given["summaries"] else out / "summaries")
    if frames is None and masks is None:
        cli.log(f"training on the sample: 15 {SOURCE} (your own: --frames PATH --masks PATH)")
    run, report = Run(settings, frames, masks, out, resume, given["backend"], given["precision"], cli.log), Report()

    def after_epoch(run):
        cli.log("".join(f"{run.rows[-1][name]:{width}{form}}" for name, width, form in TABLE))
        report.keep_up(run)
        if with_summaries:
            summaries.write(run)

    run.restore_best()
    if run.progress.epoch >= settings.epochs:
        report.refresh(run)
        if with_summaries:
            summaries.write(run)
        cli.log(f"the run in {out} has {run.progress.epoch} epochs already; ask for more with --epochs")
        return 0
    steps = run.data.steps_per_epoch
    cli.log(f"network{settings.channels}, backend {run.backend.name}, {steps} steps an epoch, "
            f"{'going on in' if resume else 'writing to'} {out}")
    cli.log("".join(name.rjust(width) for name, width, _ in TABLE))
    run.data.describe_pastes(cli.log)
    claim.take()
    run.open_folder()
    if with_summaries:
        files.make_folder(run.out / "summaries")
    figures.plot_crops(run.data.crops(), run.out / "figures" / "pieces.png")
    with step_bar(settings.epochs * steps, run.progress.step) as advance, cli.stop_request() as stop:
        try:
            complete = run.train(stop, advance, after_epoch)
        finally:
            report.catch_up(run)
    return say_end(run, complete, frames is not None)


def say_end(run, complete, on_own_frames):
    """Say what a run has come to, and the command that goes on with it, or with its model; return the exit status."""
    out, script = run.out, Path(sys.argv[0])
    if not complete:
        again = shlex.join(["python", str(script), "--resume", "--out", str(out)])
        cli.log(f"stopped in epoch {run.progress.epoch + 1}, and saved; go on with: {again}")
        return 130
    lost = "" if (out / "best.npz").exists() else " (its model, best.npz, is missing)"
    cli.log(f"done: best pooled F1 {run.progress.best_f1:.3f}{lost}; model, metrics.csv, figures and report.html in "
            f"{out}")
    cli.log(f"next: {shlex.join(['python', str(script.with_name('run_predict.py')), str(out)])}"
          + (" YOUR_FRAMES --out DIR" if on_own_frames else ""))
    return 0


if __name__ == "__main__":
    sys.exit(cli.run("run_train.py", main, sys.argv[1:], "use a smaller --crop or --batch-size", keep_going=True))
