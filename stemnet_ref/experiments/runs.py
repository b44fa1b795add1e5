"""The runs of an experiment: each is trained, or the rest of it; one that has diverged is not tried again."""

from .. import metrics
from ..errors import InputError
from ..program import cli
from ..program.options import flag_of
from ..program.terminal import step_bar
from ..report import page as report
from ..storage import files, locks, outputs, readers
from ..training import checkpoint
from ..training.run import Diverged, Run
from ..training.saved import read_config, settings_of

DIVERGED = "diverged.json"
DIGESTS = ("training_frames", "validation_frames", "frames_sha256", "masks_sha256")


def train(settings, folder, given, stop, verbose):
    """Train a run, or the rest of it; return its rows of metrics.csv, and whether any step was left to train.

    The rows are None where the run has diverged or was stopped. What a run says of its data is printed if `verbose`,
    and its warnings always.
    """
    def log(text):
        if verbose or text.startswith("warning"):
            cli.log(f"  {text}")

    with locks.Claim(folder, check=lambda: outputs.check_run(folder, has_model(folder)), log=cli.log) as claim:
        claim.take()
        run = Run(settings, given["frames"], given["masks"], folder, has_model(folder), given["backend"],
                  given["precision"], log)
        if (folder / DIVERGED).exists():
            before = read_config(folder)
            if any(before.get(name) != run.data.source[name] for name in DIGESTS):
                raise InputError(f"--frames, --masks: not those of the run in {folder}; choose another --out")
            found = readers.read_json(folder / DIVERGED, "remove it, to try the run again", error=str)
            cli.log(f"  had diverged: {found['error']}")
            return None, False
        run.restore_best()
        left = run.progress.epoch < settings.epochs
        if left:
            with step_bar(settings.epochs * run.data.steps_per_epoch, run.progress.step, leave=False) as advance:
                page = report.Report()
                try:
                    complete = run.train(stop, advance, page.keep_up)
                except Diverged as error:
                    files.write_json(folder / DIVERGED, {"error": str(error)}, outputs.DIVERGED)
                    cli.log(f"  {error}")
                    return None, True
                finally:
                    page.catch_up(run)
            if not complete:
                return None, True
        elif not report.is_fresh(folder):
            report.Report().refresh(run)
    row = metrics.best(run.rows)
    cli.log(f"  {'' if left else 'had been done: '}pooled F1 {row['f1_pooled']:.3f} in epoch {row['epoch']} of "
            f"{len(run.rows)}, {sum(each['seconds'] for each in run.rows):.0f} s")
    return run.rows, left


def has_model(folder):
    """Return whether a run in a folder has been begun, and can be gone on with."""
    return (folder / "model.npz").exists()


def check_same(settings, folder):
    """Raise InputError where a folder holds a run of other settings; only the number of epochs may be larger."""
    if has_model(folder):
        checkpoint.load(folder / "model.npz")           # a damaged one is found before anything is trained
        there = settings_of(folder)[0].as_dict()
    elif (folder / DIVERGED).exists():
        there = read_config(folder)
    else:
        return
    for name, value in settings.as_dict().items():
        if name == "gap" and value is None:             # of whole sequences, where the run's own has no effect
            continue
        if there.get(name) != value and not (name == "epochs" and value > there.get(name, 0)):
            raise InputError(f"{flag_of(name)} {value}: the run in {folder} has {there.get(name)}; choose another "
                             "--out, or give what that experiment had")
