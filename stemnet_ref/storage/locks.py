"""Let one process at a time write to a folder, by a lock that ends with its process, however that ends."""

import errno
import os
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import InputError, reason
from .files import check_folder, make_folder

NAME = ".stemnet_ref.lock"
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


class Claim:
    """A folder that only this process writes to, within a `with`.

    A folder that exists is locked at once. A folder that does not exist is made and locked by `take`, so that a mistake
    that is found before leaves no folder.

    Parameters
    ----------
    folder : path
    option : str
        Option by which the user named the folder.
    check : callable
        Raises InputError where nothing may be written to the folder. It is called before and after the folder is
        locked, because another process may just have ended there.
    log : callable
        Takes a line of text for the user.
    """

    def __init__(self, folder, option="--out", check=lambda: None, log=print):
        self.folder, self.option, self._check, self.log = Path(folder), option, check, log
        self._lock = None

    def __enter__(self):
        self.check()
        if self.folder.is_dir():
            self.take()
        return self

    def __exit__(self, *exception):
        if self._lock and self._lock.is_locked:
            with suppress(OSError):                             # the library does not lock a file that was removed
                os.unlink(self.folder / NAME)
            self._lock.release()

    def check(self):
        """Raise InputError where nothing may be written to the folder; remove the lock file of a killed process."""
        check_folder(self.folder, self.option)
        try:
            self._check()
        except InputError:
            if not self._lock and (self.folder / NAME).is_file():
                with suppress(Timeout, OSError), FileLock(self.folder / NAME, timeout=0):
                    os.unlink(self.folder / NAME)
            raise

    def take(self):
        """Make the folder where it does not exist, and lock it; raise InputError where another process has done so."""
        if self._lock:
            return
        make_folder(self.folder, self.option)
        holder = self._holder()
        self._lock = FileLock(self.folder / NAME)
        try:
            self._lock.acquire(timeout=0)
            with suppress(OSError):                             # a full disk; the number is for a message only
                (self.folder / NAME).write_text(f"{os.getpid()}\n")
        except Timeout:
            raise InputError(f"{self.option} {self.folder}: another process{holder} is writing there; wait for it, or "
                             "choose another folder") from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise InputError(f"{self.option} {self.folder}: cannot write there ({reason(error)}); choose another "
                                 "folder") from None
            self.log(f"note: {self.option} {self.folder}: this file system has no locks ({reason(error)}); see to it "
                      "that no other command writes there")
        try:
            self.check()
        except BaseException:
            self.__exit__()
            raise

    def _holder(self):
        """Return, for a message, the number of the process that has locked the folder, or ""."""
        path = self.folder / NAME
        with suppress(OSError, ValueError):
            return f" (PID {int(path.read_text())})" if path.is_file() else ""
        return ""
