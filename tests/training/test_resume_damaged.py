"""Going on with a run whose own files are damaged or gone: told before anything is trained, with the remedy."""

import pytest
from refusals import check, contents, script

import run_train
from stemnet_ref.report import page as report
from stemnet_ref.storage import outputs

DAMAGES = {"empty": lambda data: b"", "cut off": lambda data: data[:len(data) // 9], "junk": lambda data: b"PK\3\4junk",
           "UTF-16": lambda data: b"\xff\xfe" + data.decode("latin1").encode("utf-16-le")}


def resume(out, epochs):
    return script(run_train.main, "--resume", "--out", out, "--epochs", epochs)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_with_its_remedy(trained, capsys, damage):
    refused = set()
    for name in ("config.json", "metrics.csv", "validation.csv", "roc.csv", "best.npz", "report.html"):
        path = trained / name
        good = path.read_bytes()
        path.write_bytes(DAMAGES[damage](good))
        before = contents(trained)
        if damage in ("empty", "junk") or not outputs.RUN_FILES[name].made(path):  # a page says whose it is at its top
            away = "or begin" if name == "metrics.csv" else "move it away, or begin"
            check(capsys, resume(trained, 2), f"{path}: is damaged, or not of this run", f"restore it, {away}")
            refused.add(name)
        assert contents(trained) == before
        path.write_bytes(good)
    assert refused >= {"config.json", "metrics.csv", "best.npz"}
    assert resume(trained, 2) == 0


@pytest.mark.parametrize("name", ["loss", "pieces"])
def test_a_strangers_figure_is_found_before_the_training(trained, capsys, name):
    path = trained / "figures" / f"{name}.png"
    path.write_text("mine")
    before = contents(trained)
    check(capsys, resume(trained, 2), f"{path}: is damaged, or not of this run", "move it away")
    assert contents(trained) == before


def test_all_figures_of_a_run_are_looked_at():
    assert {*outputs.RUN_FIGURES} == {name for name, *_ in report.PICTURES}


def test_the_best_model_is_made_anew_where_it_is_the_last(trained, capsys):
    best = (trained / "best.npz").read_bytes()
    (trained / "best.npz").unlink()
    assert resume(trained, 1) == 0
    assert (trained / "best.npz").read_bytes() == best
    assert "missing" not in capsys.readouterr().out


def test_a_best_model_that_is_lost_is_warned_of_and_not_claimed(trained, capsys, monkeypatch):
    monkeypatch.setattr(run_train.Run, "_finish_epoch", worse(run_train.Run._finish_epoch))
    assert resume(trained, 2) == 0
    assert "missing" not in capsys.readouterr().out
    (trained / "best.npz").unlink()
    assert resume(trained, 3) == 0
    first, *_, last, _ = (line for line in capsys.readouterr().out.splitlines() if "best" in line or "next" in line)
    assert f"warning: {trained / 'best.npz'}: is missing, the model of epoch 1" in first
    assert "(its model, best.npz, is missing)" in last


def worse(finish):
    def finished(self, *arguments):
        return {**finish(self, *arguments), "f1_pooled": 0.0, "val_loss": 1e9}
    return finished
