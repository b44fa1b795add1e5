"""Segment frames with a trained model: python run_predict.py --help"""

if __name__ == "__main__":
    from stemnet_ref.program import start  # noqa: F401 - before NumPy is imported

import sys
from dataclasses import replace

from tqdm import tqdm

from stemnet_ref import predict, sample
from stemnet_ref.backends import choose
from stemnet_ref.data.discovery.selection import Selection
from stemnet_ref.errors import others_done
from stemnet_ref.program import cli
from stemnet_ref.program.options import Option, Parser
from stemnet_ref.storage import files
from stemnet_ref.training import checkpoint
from stemnet_ref.training.settings import COMPUTATION, FRAMES, pick

OPTIONS = {
    "masks": Option("true masks, to measure against", metavar="PATH"),
    "out": Option("folder to write into", metavar="DIR", default_text="predictions, or predictions-2, ..."),
    "results": Option("pictures; or challenge: numbered cells, as the Cell Tracking Challenge wants them", "pictures",
                      choices=tuple(predict.RESULTS)),
    **COMPUTATION,
    "tile": Option("side of the tiles that larger frames are cut into; less takes less memory", predict.TILE, int,
                   (1, 10 ** 9), metavar="PIXELS"),
    "restore": Option("bring results back to the size that frames had before stemnet_ref.data.preprocess, and measure "
                      "without padding", False, bool),
    **pick("channel_index", "z", "pattern",
           sparse_masks={"default": False, "help": "let frames be without a true mask"}),
}


def options():
    """Return the parser."""
    parser = Parser("run_predict.py", "Segment frames with a model that run_train.py wrote.", OPTIONS)
    parser.add_argument("model", metavar="MODEL", help="a .npz, or the folder of a run (then its best.npz)")
    parser.add_argument("frames", metavar="FRAMES", nargs="?",
                        help=replace(FRAMES, help=f"{FRAMES.help}; or one file").described({}))
    return parser


def main(argv=None):
    """Segment; return the exit status."""
    given = options().parse_args(argv)
    backend = choose(given.backend, given.precision, cli.log)
    model = checkpoint.load(given.model)
    model.network.to(backend)
    out = files.new_folder("predictions") if given.out is None else given.out
    frames, masks = given.frames, given.masks
    if frames is None:
        cli.log(f"segmenting the sample's second field of view, on which run_train.py validates: {sample.SOURCE}")
        frames, masks = sample.FRAMES / "*field2*", sample.MASKS / "*field2*" if masks is None else masks
    cli.log(f"network{model.network.architecture.channels}, backend {backend.name}")
    left_out = []
    with backend.limit_threads(), cli.naming(frames="FRAMES") as log:
        summary = predict.run(model, frames, out, masks, given.tile, log=log,
                              progress=lambda items: tqdm(items, unit="frame", disable=None), results=given.results,
                              restore=given.restore, sparse=given.sparse_masks,
                              selection=Selection.of(vars(given)), left_out=left_out)
        if summary:
            shown = ("accuracy", "precision", "recall", "f1", "f1_pooled")
            log("  ".join(f"{name} {summary[name]:.3f}" for name in shown))
        what = "masks, heat maps, overlays and edges" if given.results == "pictures" else "numbered cells"
        log(f"done: {what} in {out}")
        if left_out:
            raise others_done(left_out)
    return 0


if __name__ == "__main__":
    sys.exit(cli.run("run_predict.py", main, sys.argv[1:], "use a smaller --tile"))
