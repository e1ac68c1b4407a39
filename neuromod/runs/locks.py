"""One command at a time in a folder: a lock that ends with its process, however that ends."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from neuromod.errors import UsageError
from neuromod.files import recover

# What `files.replacing` and the writers of folders name their temporary files.
_LEFTOVER = re.compile(r"^\..+-[a-z0-9_]{8}(\.[A-Za-z0-9]+)?$")


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold a folder for the time of the body, and clear what a killed process left half-written in it.

    The lock is the kernel's (``flock`` of the folder itself): no file is written, and nothing stays behind when the
    process is killed. Where the system or the file system has no such lock, the body runs without.

    Parameters
    ----------
    folder : Path
        A run directory, or the folder of a sweep. It must exist.

    Raises
    ------
    UsageError
        If another process holds it.
    """
    handle = None
    try:
        try:
            import fcntl

            handle = os.open(folder, os.O_RDONLY)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"another neuromod command is at work in {folder}; wait until it has ended, or choose another run "
                "with --run PATH"
            ) from None
        except (ImportError, OSError):
            pass
        else:
            _clear(folder)
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _clear(folder: Path) -> None:
    """Remove temporary files of processes that were killed; whoever holds the lock has none yet."""
    below = [
        path
        for name in ("exports", "spiking", "explore", "parts")
        for path in (folder / name).glob("**/")
        if path.is_dir()
    ]
    for place in (folder, *below):
        recover(place)
        # A folder below may have gone with the one above it.
        for path in list(place.iterdir()) if place.is_dir() else ():
            if _LEFTOVER.match(path.name):
                with contextlib.suppress(OSError):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
