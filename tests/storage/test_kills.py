"""Killed before any change of the disk, every command works again, and what it writes is what it would have written."""

import shutil

import pytest
from jobs import JOBS, needed
from refusals import contents

SOME = 4            # kill points of each command, beside the last


def again(folder, words):
    """Return the command that goes on: the same, but for a run that has a model."""
    if words[0] == "run_train.py" and (folder / words[words.index("--out") + 1] / "model.npz").exists():
        return ["run_train.py", "--resume", *(word for word in words[1:] if word != "--resume")]
    return words


def written(folder):
    """Return what is in a folder; of the summaries the names, for an epoch that was done before has no maps in its."""
    return {path: b"" if "tfevents" in path.name else data for path, data in contents(folder).items()}


def killed_and_repeated(killing, before, folder, name, points):
    """Kill a command at some points, given their number; let it go on, and compare with one that was left alone."""
    words = JOBS[name]
    needed(name)
    folder = folder / "work"                                    # one place for all, because files tell where they were

    def start():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(before, folder)

    start()
    whole = killing(folder, words)
    assert whole["status"] == 0, whole["error"]
    expected, changes = written(folder), whole["changes"]
    assert changes > 3
    for at in points(changes):
        start()
        assert killing(folder, words, at)["status"] == -9
        done = killing(folder, again(folder, words))
        assert done["status"] == 0, f"killed before change {at} of {changes}: {done['error']}"
        assert written(folder) == expected, f"killed before change {at} of {changes}"


@pytest.mark.parametrize(("status", "left", "words"), [
    (2, b"whole", "killed before change 1 of 5: refused"), (0, b"half", "killed before change 1 of 5")])
def test_a_command_that_a_kill_spoils_is_noticed(before, tmp_path, status, left, words):
    calls = []

    def spoiled(folder, words, at=0):
        calls.append(at)
        (folder / "file").write_bytes(b"half" if at else b"whole" if len(calls) == 1 else left)
        return {"status": -9 if at else 0 if len(calls) == 1 else status, "error": "refused", "changes": 5}

    with pytest.raises(AssertionError, match=words):
        killed_and_repeated(spoiled, before, tmp_path, "explain", lambda changes: [1])


@pytest.mark.parametrize("name", JOBS)
def test_killed_and_repeated(killing, before, tmp_path, name):
    def points(changes):
        return sorted({1 + round(part * (changes - 1) / SOME) for part in range(SOME + 1)})

    killed_and_repeated(killing, before, tmp_path, name, points)


@pytest.mark.fuzz
@pytest.mark.parametrize("name", JOBS)
def test_killed_at_every_point_and_repeated(killing, before, tmp_path, name):
    killed_and_repeated(killing, before, tmp_path, name, lambda changes: range(1, changes + 1))
