"""The table of the layers, and the command that prints it."""

import subprocess
import sys
from pathlib import Path

import pytest
from refusals import check, script

from stemnet_ref.network.__main__ import main
from stemnet_ref.network.stemnet import StemNet
from stemnet_ref.network.table import layer_table, training_gflop


def test_the_thesis_network_has_12_convolutions_and_goes_from_1024_to_32():
    network = StemNet(channels=5)
    convolutions = [block.name for block in network.blocks if block.kind == "conv"]
    assert len(convolutions) == 12                              # eleven of 5x5, and the output's 1x1
    rows = {name: shape for name, shape, _, _ in layer_table(network.blocks, 1024, 1024)}
    assert rows["down5.conv"] == (32, 32, 512)
    assert rows["output"] == (1024, 1024, 2)
    assert network.parameters["up3.deconv.weight"].shape == (2, 2, 128, 256)
    assert network.parameters["up3.conv.weight"].shape == (5, 5, 256, 128)


def test_table_of_layers_adds_up_to_the_notes_figures(capsys):
    network = StemNet(channels=5)
    rows = layer_table(network.blocks, 1024, 1024)
    assert sum(row[3] for row in rows) == pytest.approx(177, abs=0.5)
    assert training_gflop(rows) == pytest.approx(528, abs=0.5)
    assert sum(row[2] for row in rows) == sum(array.size for array in network.parameters.values())
    main(["--channels", "5"])
    printed = capsys.readouterr().out
    assert "down0.conv    1024 x 1024 x 16           2,016     4.194" in printed
    assert "177.402" in printed
    assert "528.013" in printed


@pytest.mark.parametrize(("argv", "culprit"), [(["--size", "1000"], "multiple of 32"), (["--channels", "2"], "odd"),
                                               (["--levels", "0"], "--levels 0"), (["--levels", "31"], "--levels 31"),
                                               (["--features", "0"], "--features 0")])
def test_table_of_layers_refuses_what_is_impossible(capsys, argv, culprit):
    check(capsys, script(main, *argv), culprit)


def test_the_documented_command_warns_of_nothing():
    done = subprocess.run([sys.executable, "-W", "error", "-m", "stemnet_ref.network", "--size", "64"],
                          capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stderr) == (0, "")
