"""A pytest plugin for mutants: machine code stays valid while no module with compiled loops is another."""

import hashlib
from pathlib import Path

from neuromod import kernels

_modules = sorted(Path(kernels.__file__).parent.rglob("*.py"))
_texts = [path.read_bytes() for path in _modules]
kernels.SOURCES = hashlib.sha256(b"".join(text for text in _texts if b"neuromod.kernels" in text)).hexdigest()
