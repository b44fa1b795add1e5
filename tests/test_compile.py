"""Every CUDA file compiles with NVRTC, warnings as errors, for chips from the thesis's P100 on, and spills nothing."""

import re

import nvrtc
import pytest

from stemnet_ref import device

FILES = sorted(device.PACKAGE.rglob("*.cu"))
SPILL = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")


def compilers_or_skip(version):
    if version not in nvrtc.compilers():
        wheel = {12: "nvidia-cuda-nvrtc-cu12", 13: "nvidia-cuda-nvrtc"}[version]
        pytest.skip(f"NVRTC {version} is not installed; pip install {wheel}")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize(("version", "architecture"), [(12, 60), (12, 70), (12, 80), (12, 90), (13, 80), (13, 90),
                                                       (13, 100), (13, 120)])
def test_every_kernel_compiles_and_spills_nothing(path, version, architecture):
    compilers_or_skip(version)
    log = nvrtc.compile_cuda(version, path, architecture)
    found = SPILL.findall(log)
    assert len(found) == len(device.kernels(path)) > 0
    if architecture >= 80:
        assert set(found) == {("0", "0", "0")}, log


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_kernel_compiles_in_double(path):
    compilers_or_skip(12)
    log = nvrtc.compile_cuda(12, path, 90, "double")
    assert len(SPILL.findall(log)) == len(device.kernels(path))


@pytest.mark.parametrize(("body", "culprit"), [
    ("y[0] = NAN;", 'identifier "NAN" is undefined'),
    ("int unused;", "never referenced"),
    ("REAL many[64]; for (int i = 0; i < (int)y[66]; i++) many[i % 64] = y[i]; y[0] = many[(int)y[65]];",
     "stack frame"),
])
def test_what_is_wrong_in_a_text_is_noticed(tmp_path, body, culprit):
    compilers_or_skip(12)
    path = tmp_path / "wrong.cu"
    path.write_text(f'extern "C" __global__ void wrong(REAL* y) {{ {body} }}')
    if culprit == "stack frame":
        assert SPILL.search(nvrtc.compile_cuda(12, path, 90)).groups()[0] != "0"
    else:
        with pytest.raises(nvrtc.CompileError, match=culprit):
            nvrtc.compile_cuda(12, path, 90)


def test_every_kernel_is_started_somewhere():
    text = "\n".join(path.read_text() for path in device.PACKAGE.rglob("*.py"))
    for path in FILES:
        for name in device.kernels(path):
            assert f'{path.stem}.{name}"' in text or name.startswith("momentum_"), name
