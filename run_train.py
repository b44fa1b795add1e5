"""Train StemNet on a time-lapse: python run_train.py --help"""

import argparse
import glob
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from stemnet_ref import cli, figures, files, report
from stemnet_ref.errors import InputError
from stemnet_ref.metrics import ROC_COLUMNS
from stemnet_ref.resume import settings_of
from stemnet_ref.sample import SOURCE
from stemnet_ref.settings import CHOICES, Settings, names
from stemnet_ref.train import Run

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
    add("--sparse-masks", action=argparse.BooleanOptionalAction,
        help="let frames be without a mask, and take them as neighbours only (no)")
    add("--out", metavar="DIR", help="folder for the model, curves and tables (runs/networkN)")
    add("--resume", action="store_true", help="go on with the run in --out; only --epochs, --device, "
                                                 "--precision and the place of --frames and --masks may change")
    add("--device", metavar="NAME", help="auto, cpu or cuda (auto)")
    add("--precision", metavar="NAME", help="fp32, or on a GPU tf32: faster, with 11 significant bits (fp32)")
    add("--preset", choices=CHOICES["preset"], help="Table 1, Table 2, or the appendix's code (thesis)")
    add("--channels", type=int, metavar="N", help="frames the network sees: 1, or 5 with two neighbours each way (1)")
    add("--epochs", type=int, metavar="N", help="passes over the training frames (8)")
    add("--batch-size", type=int, metavar="N", help="pieces per step (1)")
    add("--crop", type=int, metavar="PIXELS", help="side of the pieces to train on; 0: whole frames (128)")
    add("--crops-per-frame", type=int, metavar="N", help="pieces of each frame in an epoch (as many as have its area)")
    add("--levels", type=int, metavar="N", help="resolutions of the U; 6: 1024 -> 32 -> 1024 (6)")
    add("--features", type=int, metavar="N", help="feature maps at the first level (16)")
    add("--activation", choices=CHOICES["activation"], help="(relu)")
    add("--normalisation", choices=CHOICES["normalisation"],
        help="batch: normalise each batch after the 5x5 convolutions, eq. 56-58; goes well with --keep-prob 1 (none)")
    add("--optimizer", choices=CHOICES["optimizer"], help="(momentum)")
    add("--learning-rate", type=float, metavar="X", help="(0.15; 0.001 with adam)")
    add("--decay-rate", type=float, metavar="X", help="factor on the learning rate after each epoch (0.95)")
    add("--momentum", type=float, metavar="X", help="mu of eq. 28 (0.2)")
    add("--keep-prob", type=float, metavar="P", help="probability that dropout keeps a value (0.75)")
    add("--cost", choices=CHOICES["cost"], help="(weighted_cross_entropy)")
    add("--class-weight", type=number_or_words, metavar="X",
        help="weight of the cell in the cross-entropy, eq. 60; or BACKGROUND,CELL; or one of the words ratio, of the "
             "larger class to the smaller, and median-frequency (2)")
    add("--border-weight", type=float, metavar="X", help="U-net's, of background between cells; 10 there (0)")
    add("--border-sigma", type=float, metavar="PIXELS", help="how far it reaches (5)")
    add("--l1", type=float, metavar="X", help="lambda of eq. 51 (0)")
    add("--l2", type=float, metavar="X", help="lambda of eq. 52 (0)")
    add("--validation", type=float, metavar="PART", help="part of the frames to validate on (0.2)")
    add("--gap", type=int, metavar="N", help="frames left out between training and validation in one sequence "
                                             "(the window's width: --channels)")
    add("--seed", type=int, metavar="N", help="of weights, order, crops and dropout (0)")
    variety = parser.add_argument_group("variety and balance of the training pieces")
    add = variety.add_argument
    add("--augment", action=argparse.BooleanOptionalAction, help="mirror and quarter-turn at random (no)")
    add("--rotation", type=float, metavar="DEGREES", help="turn by any angle up to it; 180: by all (0)")
    add("--elastic", type=float, metavar="PIXELS", help="deform as U-net does: deviation of the shifts; 10 there (0)")
    add("--brightness", type=float, metavar="X", help="add up to X deviations to the pixels, or take them off (0)")
    add("--contrast", type=float, metavar="X", help="multiply them by 1 - X to 1 + X (0)")
    add("--paste", type=int, metavar="N", help="paste N cells of other frames of the sequence into each piece (0)")
    add("--on-cells", type=float, metavar="PART", help="move this part of the crops so that they hold a cell (0)")
    add("--draw", choices=CHOICES["draw"], help="by-cells: draw crops from frames by their share of cells (evenly)")
    add("--drop-background", type=float, metavar="PART",
        help="leave out this part of the training frames, those with the fewest cells (0)")
    where_texts_disagree = parser.add_argument_group("where the thesis and its appendix disagree")
    add = where_texts_disagree.add_argument
    add("--scaling", choices=CHOICES["scaling"], help="zero mean and unit deviation; less the mean or median image of "
                                                      "the training frames; or frame - 127 (standard)")
    add("--logits", choices=CHOICES["logits"], help="ReLU before the softmax or not (linear)")
    add("--init", choices=CHOICES["init"], help="initial weights: sqrt(2/N) of section 2.1, or the listing's (fan_in)")
    add("--momentum-form", choices=CHOICES["momentum_form"], help="(thesis)")
    add("--adam-form", choices=CHOICES["adam_form"], help="(kingma)")
    add("--class-weight-form", choices=CHOICES["class_weight_form"], help="listing: 1 + weight (eq60)")
    return parser


def number_or_words(text):
    """Return a number as float, other text as it is."""
    try:
        return float(text)
    except ValueError:
        return text


def main(argv=None):
    """Train; return the exit status."""
    given = vars(options().parse_args(argv))
    settings, frames, masks, out = resolve(given)
    resume = given.get("resume", False)
    if frames is None:
        tqdm.write(f"training on the sample: 15 {SOURCE} (your own: --frames PATH --masks PATH)")
    run = Run(settings, frames, masks, out, resume=resume, device=given.get("device", "auto"),
              precision=given.get("precision", "fp32"), show=tqdm.write)
    if run.epoch >= settings.epochs:
        draw(run, run.rows)
        print(f"the run in {out} has {run.epoch} epochs already; ask for more with --epochs")
        return 0
    steps = run.steps_per_epoch
    tqdm.write(f"network{settings.channels} on the {run.device_name}, {steps} steps an epoch, "
               f"{'going on in' if resume else 'writing to'} {out}")
    tqdm.write("".join(name.rjust(width) for name, width, _ in TABLE))
    run.data.describe_pastes()
    run.prepare()
    figures.draw_pieces(run.data.pieces(run.scaling), run.out / "figures" / "pieces.png")
    script = Path(sys.argv[0])
    again = shlex.join(["python", str(script), "--resume", "--out", str(out)])
    with (tqdm(total=settings.epochs * steps, initial=run.epoch * steps + run.position, unit="step", disable=None,
               smoothing=0.05) as bar,
          cli.StopRequest("stopping after this step or validation; Ctrl-C again stops without saving") as stop):

        def progress(text, done):
            bar.set_description(text, refresh=done == 0)
            bar.update(done)

        def after_epoch(run, rows):
            tqdm.write("".join(f"{rows[-1][name]:{width}{form}}" for name, width, form in TABLE))
            draw(run, rows)

        complete = run.train(stop, progress, after_epoch)
    if not complete:
        print(f"stopped in epoch {run.epoch + 1}, and saved; go on with: {again}")
        return 130
    print(f"done: best pooled F1 {run.best_f1:.3f}; model, metrics.csv, figures and report.html in {out}")
    print(f"next: {shlex.join(['python', str(script.with_name('run_predict.py')), str(out)])}"
          + ("" if frames is None else " YOUR_FRAMES --out DIR"))
    return 0


def draw(run, rows):
    """Draw all figures of a run anew, and write its report."""
    folder = run.out / "figures"
    figures.draw_curves(rows, folder)
    figures.draw_predictions(run.examples(), folder / "predictions.png")
    figures.draw_maps(run.maps(), folder / "maps.png")
    figures.draw_roc(files.read_csv(run.out / "roc.csv", ROC_COLUMNS), rows[-1]["roc_auc"], folder / "roc.png")
    report.write(run.out, rows, run.config())


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
    out = Path(given["out"])
    if (out / "model.npz").exists():
        raise InputError(f"--out {out}: holds a run already; go on with it by --resume, or choose another folder")
    taken = [name for name in ("best.npz", "metrics.csv", "roc.csv", "report.html", "figures") if (out / name).exists()]
    if taken and not (out / "config.json").exists():            # else a run that was killed before its first model
        raise InputError(f"--out {out}: {taken[0]} there would be overwritten; choose another folder")
    return settings, frames, masks, out


if __name__ == "__main__":
    sys.exit(cli.run("run_train.py", main, sys.argv[1:]))
