"""A full disk is named as what it is, in one line, by every command, and leaves nothing half written."""

import os
import shutil
import subprocess

import pytest
from jobs import JOBS, needed
from refusals import contents

SIZE = 1 << 20


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """The folder at which a small disk is mounted."""
    folder = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], capture_output=True,
                             text=True, check=False) if shutil.which("mount") else None
    if mounted is None or mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip() if mounted else 'there is no mount'}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(folder, free):
    """Fill the disk but for some bytes."""
    with open(folder / "fill", "wb", buffering=0) as file:
        status = os.statvfs(folder)
        os.posix_fallocate(file.fileno(), 0, max(status.f_bavail * status.f_frsize - free, 1))


@pytest.mark.parametrize("free", [0, 16 << 10])
@pytest.mark.parametrize("name", JOBS)
def test_a_full_disk_is_told_in_a_line(killing, before, disk, name, free):
    needed(name)
    for path in disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(before, disk, dirs_exist_ok=True)
    had = contents(disk)
    fill(disk, free)
    done = killing(disk, JOBS[name])
    if done["status"] == 0 and free:
        return                                              # it needs no more than that
    assert done["status"] == 2
    assert done["error"].count("\n") == 1, done["error"]
    assert "written (No space left on device)" in done["error"]
    there = contents(disk)
    assert not [path for path in there if path.name.startswith(".stemnet_ref")]
    if name != "resume":
        assert {path: there[path] for path in had} == had
