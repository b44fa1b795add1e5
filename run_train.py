"""Train StemNet on a time-lapse: python run_train.py --help"""

if __name__ == "__main__":
    from stemnet_ref.program import start  # noqa: F401 - before NumPy is imported

import argparse
import glob
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from stemnet_ref.errors import InputError
from stemnet_ref.program import cli
from stemnet_ref.report import figures, summaries
from stemnet_ref.report import page as report
from stemnet_ref.sample import SOURCE
from stemnet_ref.storage import files, locks, outputs
from stemnet_ref.training.options import add_settings
from stemnet_ref.training.resume import restore_best, settings_of
from stemnet_ref.training.run import Run
from stemnet_ref.training.settings import Settings, names

TABLE = (("epoch", 5, "d"), ("seconds", 8, ".1f"), ("learning_rate", 14, ".5f"), ("train_loss", 11, ".4f"),
         ("val_loss", 9, ".4f"), ("val_accuracy", 13, ".4f"), ("precision", 10, ".3f"), ("recall", 7, ".3f"),
         ("f1", 6, ".3f"), ("f1_pooled", 10, ".3f"))


def options():
    """Return the parser. An option that is not given is absent from the result, so that presets can fill it."""
    parser = cli.Parser(prog="run_train.py", argument_default=argparse.SUPPRESS,
                        description="Train StemNet on frames of a time-lapse and their masks. Without --frames: on the "
                                    "sample that comes with the package.")
    add = parser.add_argument
    add("--frames", metavar="PATH", help="folder, quoted glob pattern or multi-page TIFF, of grey PNG or TIFF; or a "
                                              "set of the Cell Tracking Challenge, which brings its masks")
    add("--masks", metavar="PATH", help="likewise; 0 is background, above 0 cell; paired with frames by number")
    add("--out", metavar="DIR", help="folder for the model, curves and tables (runs/networkN)")
    add("--resume", action="store_true", help="go on with the run in --out; only --epochs, --device, "
                                                 "--precision and the place of --frames and --masks may change")
    add("--backend", "--device", metavar="NAME", help="auto, plain, cpu or cuda: auto is cuda where there is a GPU, "
                                                      "else cpu; plain is the readable reference (auto)")
    add("--precision", metavar="NAME", help="fp32, or on a GPU tf32: faster, with 11 significant bits (fp32)")
    add("--summaries", action="store_true", help="write TensorBoard's event files too; tensorboard --logdir "
                                                 "DIR/summaries shows them")
    add_settings(parser)
    return parser


def main(argv=None):
    """Train; return the exit status."""
    given = vars(options().parse_args(argv))
    settings, frames, masks, out = resolve(given)
    with locks.Claim(out, check=lambda: outputs.check_run(out, given.get("resume", False)),
                     log=cli.log) as claim:
        return train(given, settings, frames, masks, claim)


def train(given, settings, frames, masks, claim):
    """Train in a folder that is claimed; return the exit status."""
    out, resume = claim.folder, given.get("resume", False)
    with_summaries = given.get("summaries", False) or (out / "summaries").is_dir()      # they go on when resumed
    if with_summaries:
        summaries.check(summaries.OPTION if "summaries" in given else f"{out / 'summaries'}")
    if frames is None:
        cli.tell(f"training on the sample: 15 {SOURCE} (your own: --frames PATH --masks PATH)")
    run = Run(settings, frames, masks, out, resume=resume, backend=given.get("backend", "auto"),
              precision=given.get("precision", "fp32"), show=cli.tell)

    def tell(run):
        report.refresh(run)
        if with_summaries:
            summaries.write(run)

    restore_best(run)
    if run.epoch >= settings.epochs:
        tell(run)
        cli.tell(f"the run in {out} has {run.epoch} epochs already; ask for more with --epochs")
        return 0
    steps = run.steps_per_epoch
    cli.tell(f"network{settings.channels} on the {run.device_name}, {steps} steps an epoch, "
               f"{'going on in' if resume else 'writing to'} {out}")
    cli.tell("".join(name.rjust(width) for name, width, _ in TABLE))
    run.data.describe_pastes()
    claim.take()
    run.prepare()
    if with_summaries:
        files.make_folder(run.out / "summaries")
    figures.draw_pieces(run.data.crops(run.scaling), run.out / "figures" / "pieces.png")
    script = Path(sys.argv[0])
    again = shlex.join(["python", str(script), "--resume", "--out", str(out)])
    with (tqdm(total=settings.epochs * steps, initial=run.epoch * steps + run.position, unit="step", disable=None,
               smoothing=0.05) as bar,
          cli.StopRequest("stopping after this step or validation; Ctrl-C again stops without saving") as stop):

        def progress(text, done):
            bar.set_description(text, refresh=done == 0)
            bar.update(done)

        def after_epoch(run):
            cli.tell("".join(f"{run.rows[-1][name]:{width}{form}}" for name, width, form in TABLE))
            tell(run)

        complete = run.train(stop, progress, after_epoch)
    if not complete:
        cli.tell(f"stopped in epoch {run.epoch + 1}, and saved; go on with: {again}")
        return 130
    lost = "" if (out / "best.npz").exists() else " (its model, best.npz, is missing)"
    cli.tell(f"done: best pooled F1 {run.best_f1:.3f}{lost}; model, metrics.csv, figures and report.html in {out}")
    cli.tell(f"next: {shlex.join(['python', str(script.with_name('run_predict.py')), str(out)])}"
          + ("" if frames is None else " YOUR_FRAMES --out DIR"))
    return 0


def resolve(given):
    """Return the Settings, frames, masks (None: the sample) and output folder that the options ask for."""
    chosen = {name: given[name] for name in names() if name in given}
    if chosen.get("crop") == 0:
        chosen["crop"] = None
    frames, masks = given.get("frames"), given.get("masks")
    if given.get("resume"):
        if "out" not in given:
            raise InputError("--resume: name the run to go on with by --out DIR")
        settings, *saved = settings_of(given["out"])
        settings = replace(settings, **chosen).checked(chosen)
        for name, path, now in (("frames", saved[0], frames), ("masks", saved[1], masks)):
            if now is None and path is not None and not (os.path.exists(path) or glob.glob(path, recursive=True)):
                raise InputError(f"--resume: the {name} of this run are no longer at {path}; "
                                 f"say by --{name} PATH where they are now")
        return (settings, saved[0] if frames is None else frames, saved[1] if masks is None else masks,
                Path(given["out"]))
    if frames is None and masks is not None:
        raise InputError("--masks: --frames is missing; training needs both")
    settings = Settings.from_options(chosen)
    if "out" not in given:
        return settings, frames, masks, files.new_folder(Path("runs") / f"network{settings.channels}")
    return settings, frames, masks, Path(given["out"])


if __name__ == "__main__":
    sys.exit(cli.run("run_train.py", main, sys.argv[1:], "use a smaller --crop or --batch-size", keep_going=True))
