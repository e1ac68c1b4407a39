"""What `run.json` must look like before anything relies on it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

# Key of a step's record -> what it is.
_RECORD: dict[str, tuple[type, ...]] = {
    "arguments": (dict,),
    "seconds": (int, float),
    "inputs": (dict,),
    "outputs": (dict,),
    "result": (dict,),
}


def find_fault(content: dict[str, Any]) -> str:
    """Return what is wrong with the content of a `run.json`, in words; nothing if it can be relied on.

    Artefacts are files inside the run: a name that leads out of it is a fault.
    """
    for key, kind in (("label", str), ("created", str), ("versions", dict), ("steps", dict)):
        if not isinstance(content.get(key), kind):
            return f"its {key} is {content.get(key)!r}"
    for step, record in content["steps"].items():
        if not isinstance(record, dict):
            return f"its step {step} is {record!r}"
        for key, kinds in _RECORD.items():
            value = record.get(key)
            if not isinstance(value, kinds) or isinstance(value, bool):
                return f"{key} of its step {step} is {value!r}"
        for key in ("inputs", "outputs"):
            for name, digest in record[key].items():
                if not isinstance(digest, str) or not _inside(name):
                    return f"{key} of its step {step} hold {name!r}: {digest!r}"
    return ""


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in name
