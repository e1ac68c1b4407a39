"""A reader before a changed file, and what is a finding.

A reader may do two things with a broken file: read it, or raise a `NeuromodError` whose message is one clear text.
Anything else is a finding: another exception, more than 5 s, more than 2 GiB beyond what the process had, a file
written outside of the run's folder, a pickle's class looked up, a process started, a connection opened.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_mutations import Rng, mutate_bytes

from neuromod.errors import NeuromodError

SECONDS, BYTES = 5.0, 2 << 30


@dataclass(frozen=True)
class Reader:
    """A kind of file: its seeds' makers, what breaks it and what reads it."""

    name: str
    file: str
    make: Callable[[Path], None]
    read: Callable[[Path], Any]
    mutate: Callable[[bytes, Rng], bytes]


class Watch:
    """Notes what a reader does besides reading."""

    def __init__(self, allowed: Path) -> None:
        self.allowed = str(allowed)
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "socket.connect"):
            self.seen.append(event)
        elif event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self._written(event, path)
        elif event in ("os.mkdir", "os.remove", "os.rmdir", "os.symlink", "shutil.rmtree"):
            self._written(event, arguments[1] if event == "os.symlink" else arguments[0])
        elif event == "os.rename":
            self._written(event, arguments[1])

    def _written(self, event: str, path: Any) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        full = os.path.realpath(os.fsdecode(path))
        if (
            Path(self.allowed) not in (Path(full), *Path(full).parents)
            and full not in ("/dev/null", "/dev/tty")
            and "__pycache__" not in full
        ):
            self.seen.append(f"{event} {full}")


class _Slow(BaseException):
    pass


def _alarm(*_: Any) -> None:
    raise _Slow


def attempt(reader: Reader, path: Path, watch: Watch) -> str:
    """Let `reader` read `path`; return what is wrong with how it took it, else ``read`` or ``refused``."""
    watch.seen, watch.on = [], True
    signal.signal(signal.SIGALRM, _alarm)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
            reader.read(path)
        said = "read"
    except NeuromodError as error:
        said = "refused" if str(error).strip() else "an error without words"
    except _Slow:
        said = f"longer than {SECONDS:g} s"
    except MemoryError:
        said = f"more than {BYTES >> 30} GiB"
    except Exception as error:
        ours = ("/neuromod/", "/cli/")
        frames = [f for f in traceback.extract_tb(error.__traceback__) if any(part in f.filename for part in ours)]
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        said = f"{type(error).__name__} in {where}: {str(error).splitlines()[0][:100] if str(error) else ''}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        watch.on = False
    return f"side effect: {watch.seen[0]}" if watch.seen else said


def trial(reader: Reader, master: Path, folder: Path, seed: int, watch: Watch) -> tuple[str, bytes]:
    """Change the file of `master` once, read it in a fresh copy at `folder`; return the finding and the bytes."""
    rng = np.random.default_rng([seed, sum(reader.name.encode())])
    whole = (master / reader.file).read_bytes()
    try:
        broken = reader.mutate(whole, rng)
    except Exception:
        # A change of a change that no longer makes sense.
        broken = mutate_bytes(whole, rng)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(master, folder)
    (folder / reader.file).write_bytes(broken)
    return attempt(reader, folder / reader.file, watch), broken


def make_master(reader: Reader, folder: Path) -> Path:
    """Write the valid files and make sure that the reader takes them."""
    folder.mkdir(parents=True)
    reader.make(folder / reader.file)
    reader.read(folder / reader.file)
    shutil.rmtree(folder)
    folder.mkdir()
    reader.make(folder / reader.file)
    return folder
