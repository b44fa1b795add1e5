"""What `verify compare` says of a file that holds a part of what can be compared, or other names."""

import numpy as np
import pytest
from verifying import run, write_files

from stemnet_ref.verify.report import Report, Row, lines

UNDER = "under no name of the golden file: "


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The paths of a golden file, and of one that agrees with it."""
    return write_files(tmp_path_factory.mktemp("coverage"))


def compared(files, tmp_path, capsys, arrays, *options):
    """Return the exit status of comparing arrays with a golden file, and the last line that is printed."""
    np.savez(tmp_path / "odd.npz", **arrays)
    capsys.readouterr()
    status = run("compare", files[0], tmp_path / "odd.npz", *options)
    out, err = capsys.readouterr()
    assert status != 2 or (err.count("\n") == 1 and "odd.npz: " in err and not out), err
    return status, (err if status == 2 else out).splitlines()[-1]


def renamed(change):
    return lambda arrays: {change(key): array for key, array in arrays.items()}


def added(*names):
    return lambda arrays: {**arrays, **dict.fromkeys(names, arrays["1/cost"])}


@pytest.mark.parametrize(("change", "words"), [
    (renamed(lambda key: f"module.{key}"), f"250 arrays {UNDER}'module.input' (did you mean 'input'?)"),
    (renamed(lambda key: f"model.{key}"), "'model.0/parameter/down0.conv.weight' (did you mean '0/parameter/"),
    (renamed(lambda key: key.replace("/", ".")), "'0.parameter.down0.conv.bias' (did you mean '0/parameter/down0.conv"),
    (renamed(lambda key: key.replace("/", "_")), f"249 arrays {UNDER}'0_parameter_down0.conv.weight' (did you mean "),
    (renamed(str.upper), "'INPUT' (did you mean 'input'?)"),
    (renamed(lambda key: key.replace("forward", "foward")), "'1/foward/down0.conv' (did you mean '1/forward/"),
    (renamed(lambda key: f"step{key}" if key[0] in "12345" else key),
     "'step1/forward/down0.conv' (did you mean '1/forward/down0.conv'?)"),
    (added("up1.conv.weight"), "(did you mean '1/gradient/up1.conv.weight' or '1/parameter/up1.conv.weight'?)"),
    (added("6/cost", "0/cost"), "'6/cost' (its steps are counted from 1 to 5), '0/cost' (its steps are"),
    (added("1/mask/down9.conv"), f"1 array {UNDER}'1/mask/down9.conv'"),
    (added("loss"), f"1 array {UNDER}'loss'; rename them, or have them left alone by --allow-extra"),
    (added(*"abcde"), "'a', 'b', 'c', and 2 more; rename them"),
])
def test_a_name_that_the_golden_file_has_not_is_an_error(change, words, files, tmp_path, capsys):
    with np.load(files[1]) as archive:
        arrays = change(dict(archive))
    status, line = compared(files, tmp_path, capsys, arrays)
    assert status == 2
    assert words in line


def test_other_names_are_allowed(files, tmp_path, capsys):
    with np.load(files[0]) as golden, np.load(files[1]) as archive:
        arrays = {**archive, "loss": np.ones(3), **{name: golden[name] for name in golden.files if "/mask/" in name},
                  "frames": golden["frames"], "class_weights": np.ones(2)}
    status, line = compared(files, tmp_path, capsys, arrays, "--allow-extra")
    assert status == 0
    assert "agrees: 233 of 233 tensors" in line


KINDS = {"start": lambda key: key == "input" or key.startswith("0/"), "input": lambda key: key == "input",
         "parameters": lambda key: "/parameter/" in key and key[0] != "0", "script": lambda key: key in (
             "1/cost", "1/forward/logits", "1/backward/logits") or key.startswith("1/gradient/"),
         **{kind: (lambda key, kind=kind: f"/{kind}" in key) for kind in ("cost", "gradient", "forward")}}


@pytest.mark.parametrize(("kinds", "options", "status", "words"), [
    (["start"], [], 2, "holds nothing that your implementation computes, only what it begins with"),
    (["input"], [], 2, "or ask for the input by --only input"),
    (["input"], ["--only", "input"], 0, "agrees: 1 tensor,"),
    (["start"], ["--only", "parameter"], 2, "--only parameter: it holds no parameter of a golden file"),
    (["forward"], [], 1, "cannot tell: no cost and no gradient was compared; give costs and gradients, or ask for this "
                         "part alone by --only forward; agrees in 34 of 233 tensors"),
    (["forward"], ["--only", "forward"], 0, "not compared: all 5 costs, all 34 backward tensors, all 80 gradients of "),
    (["forward"], ["--only", "forward,cost"], 2, "--only cost: it holds no cost"),
    (["cost"], [], 1, "cannot tell: no gradient was compared; give gradients, or ask for this part alone by "),
    (["gradient"], [], 1, "cannot tell: no cost was compared"),
    (["gradient"], ["--only", "gradient"], 0, "agrees: 80 of 233 tensors"),
    (["parameters"], [], 1, "ask for this part alone by --only parameter; agrees in 80 of 233"),
    (["parameters"], ["--only", "parameter"], 0, "agrees: 80 of 233 tensors"),
    (["parameters", "cost"], [], 0, "not compared: all 34 forward tensors, all 34 backward tensors, all 80 gradients"),
    (["script"], [], 0, "not compared: 33 of 34 forward tensors, 4 of 5 costs, 33 of 34 backward tensors, 64 of 80"),
    (["gradient", "cost"], ["--only", "cost"], 0, "agrees: 5 of 233 tensors"),
])
def test_a_verdict_needs_costs_and_gradients_or_what_was_asked_for(kinds, options, status, words, files, tmp_path,
                                                                   capsys):
    with np.load(files[1]) as archive:
        arrays = {key: archive[key] for key in archive.files if any(KINDS[kind](key) for kind in kinds)}
    found, line = compared(files, tmp_path, capsys, arrays, *options)
    assert found == status, line
    assert words in line


def test_the_kinds_asked_for_are_compared_alone(files, tmp_path, capsys):
    with np.load(files[1]) as archive:
        arrays = dict(archive)
    arrays["1/cost"] = arrays["1/cost"] * np.float32(1.01)
    assert compared(files, tmp_path, capsys, arrays, "--only", "forward,gradient")[0] == 0
    status, line = compared(files, tmp_path, capsys, arrays, "--only", "cost")
    assert status == 1
    assert line.startswith("not compared: all 34 forward tensors, all 34 backward tensors, all 80 gradients of ")
    assert run("compare", *files, "--only", "costs") == 2
    assert "--only 'costs': must be kinds with commas between them, of input, forward, cost" in capsys.readouterr().err


def test_a_column_without_numbers_is_left_out(files, capsys):
    run("compare", *files, "--all")
    header, first, *_ = capsys.readouterr().out.splitlines()
    assert header.split() == ["tensor", "difference", "relative", "bound", "of", "bound", "from", "golden"]
    assert first.startswith("input  ")
    reported = lines(Report((Row("y", 0.0, 0.0, 1.0, 0.0, "agrees"),)))
    assert "from golden" not in reported[0]
    assert reported[-1] == "agrees: 1 tensor, none differs by more than 0 of what rounding allows"
