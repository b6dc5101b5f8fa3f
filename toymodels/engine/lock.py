"""One command at a time in a directory of results."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toymodels.engine.store import writing
from toymodels.errors import EnvironmentProblem

NO_LOCKS = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK)
"""How some network disks say that they have no locks."""


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock `file`, which says who holds it. The system lets go of it when the process ends, however it ends;
    the file stays.

    `EnvironmentProblem` where another process (or this one) holds it, or the file cannot be written.
    """
    with writing(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = file.read_text().strip() or "another process"
            raise EnvironmentProblem(
                f"{file.parent} is being written by {holder}. Wait until it has ended (nothing it has finished will be "
                "computed again), or give another directory."
            ) from error
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            warnings.warn(
                f"The disk of {file.parent} knows no locks: start only one command there at a time.",
                RuntimeWarning,
                stacklevel=3,
            )
        with contextlib.suppress(OSError):  # a full disk: the lock holds, only its text is missing
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {platform.node()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
