"""Every CUDA file compiles with NVRTC, warnings as errors, for chips from the thesis's P100 on, and spills nothing."""

import re
from pathlib import Path

import numpy as np
import nvrtc
import pytest

from stemnet_ref.backends.cuda import sources
from stemnet_ref.backends.cuda.gemm import GemmConfig

FILES = nvrtc.FILES
ALWAYS = [(12, 60), (12, 80), (13, 90)]                        # version of NVRTC, chip
ONCE = [(12, 70), (12, 90), (13, 80), (13, 100), (13, 120)]    # for each file, not for each shape
SPILL = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
HOPPER = [(12, "90a"), (13, "90a")]                            # for products of groups of warps
CASES = [(path, macros, *chip) for path in FILES for kind in (1, 2, 3)
         for i, macros in enumerate(nvrtc.network_macros(path.stem, np.dtype(np.float32), kind))
         if kind == 1 or ("PRODUCT", kind) in macros
         for chip in ALWAYS + (ONCE if i == 0 else []) if kind == 1 or chip[1] >= 80]
OTHER_GROUPS = [                                                # KERNEL 3 and 4, and channels that are no multiple of 4
    make(nvrtc.place(kind, groups=True), (1, 64, side), (k, k), c, o, np.float32, (c, o)).options
    for kind in (2, 3) for make in (GemmConfig.convolve, GemmConfig.weight_gradient)
    for side, k, c, o in [(64, 3, 9, 33), (64, 4, 39, 33), (64, 5, 9, 17), (96, 5, 39, 17), (200, 5, 9, 17)]]
CASES += [(path, macros, *HOPPER[1]) for path in FILES if path.stem == "conv2d" for macros in sorted(set(OTHER_GROUPS))]
CASES += [(path, macros, *chip) for path in FILES for kind in (2, 3)
          for macros in nvrtc.network_macros(path.stem, np.dtype(np.float32), kind, groups=True)
          if dict(macros).get("GROUPS") for chip in HOPPER]
CASES_IN_DOUBLE = [(path, macros) for path in FILES
                   for macros in nvrtc.network_macros(path.stem, np.dtype(np.float64), 1)]


def name(value):
    """Return what pytest calls a parameter."""
    if isinstance(value, tuple):
        return "_".join(str(each) for _, each in value) or "-"
    return value.stem if isinstance(value, Path) else str(value)


@pytest.mark.nvrtc
@pytest.mark.parametrize(("path", "macros", "version", "architecture"), CASES, ids=name)
def test_every_kernel_compiles_and_spills_nothing(path, macros, version, architecture):
    log = nvrtc.compile_cuda(version, path, architecture, macros=macros)
    found = SPILL.findall(log)
    assert len(found) == len(sources.kernels(path)) > 0
    assert "Potential Performance Loss" not in log              # products that wait for each other
    if architecture == "90a" or architecture >= 80:
        assert set(found) == {("0", "0", "0")}, log


@pytest.mark.nvrtc
@pytest.mark.parametrize(("path", "macros"), CASES_IN_DOUBLE, ids=name)
def test_every_kernel_compiles_in_double(path, macros):
    log = nvrtc.compile_cuda(12, path, 90, "double", macros)
    assert len(SPILL.findall(log)) == len(sources.kernels(path))


@pytest.mark.nvrtc
@pytest.mark.parametrize(("body", "culprit"), [
    ("y[0] = NAN;", 'identifier "NAN" is undefined'),
    ("int unused;", "never referenced"),
    ("REAL many[64]; for (int i = 0; i < (int)y[66]; i++) many[i % 64] = y[i]; y[0] = many[(int)y[65]];",
     "stack frame"),
])
def test_what_is_wrong_in_a_text_is_noticed(tmp_path, body, culprit):
    path = tmp_path / "wrong.cu"
    path.write_text(f'extern "C" __global__ void wrong(REAL* y) {{ {body} }}')
    if culprit == "stack frame":
        assert SPILL.search(nvrtc.compile_cuda(12, path, 90)).groups()[0] != "0"
    else:
        with pytest.raises(nvrtc.CompileError, match=culprit):
            nvrtc.compile_cuda(12, path, 90)


@pytest.mark.nvrtc
@pytest.mark.parametrize(("chip", "ways"), [("60", {"cores"}), ("sm_80", {"cores", "tensor", "tf32"})])
def test_the_report_has_a_line_for_every_kernel(capsys, monkeypatch, chip, ways):
    monkeypatch.setattr(nvrtc, "FILES", [path for path in FILES if path.stem in ("conv2d", "relu")])
    nvrtc.main([chip])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith(f"sm_{chip[-2:]}")
    assert {line.split()[1] for line in printed if line.startswith("conv2d_forward")} == ways
    assert all(int(line.split()[-3]) > 0 for line in printed[1:])


@pytest.mark.parametrize(("arguments", "installed", "culprit"), [
    (["61x"], {12: None}, "61x: no chip that the installed NVRTC knows"),
    ([], {}, "pip install nvidia-cuda-nvrtc-cu12"),
])
def test_what_the_report_cannot_do_is_one_line(capsys, monkeypatch, arguments, installed, culprit):
    monkeypatch.setattr(nvrtc, "compilers", lambda: installed)
    monkeypatch.setattr(nvrtc, "architectures", lambda version: [90])
    with pytest.raises(SystemExit, match="2"):
        nvrtc.main(arguments)
    assert culprit in capsys.readouterr().err.splitlines()[-1]


def test_every_kernel_is_started_somewhere():
    text = "\n".join(path.read_text() for path in sources.PACKAGE.rglob("*.py"))
    for path in FILES:
        for name in sources.kernels(path):
            assert f'{path.stem}.{name}"' in text or name.startswith("momentum_"), name
