"""The folder of a chip's integer network: plain arrays, readable JSON, trials, and an example that runs them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from neuromod.arrays import Array
from neuromod.errors import VerificationError
from neuromod.files import read_json, save_tensors, write_text

if TYPE_CHECKING:
    from neuromod.chips import Loihi2Network, LoihiNetwork, XyloNetwork

    Integers = TypeVar("Integers", XyloNetwork, LoihiNetwork, Loihi2Network)

ARRAYS, ABOUT, TRIALS, EXAMPLE = "network.safetensors", "network.json", "trials.safetensors", "example.py"

# Scripts in the folder of each family: their names there, and here.
SCRIPTS = {
    "xylo": {EXAMPLE: "xylo", "tensors.py": "tensors"},
    "loihi": {EXAMPLE: "loihi", "tensors.py": "tensors", "lava_python.py": "lava_python"},
    "loihi2": {EXAMPLE: "loihi2", "tensors.py": "tensors", "lava_python.py": "lava_python"},
}


def write_folder(
    folder: Path,
    family: str,
    *,
    arrays: Mapping[str, Array],
    about: Mapping[str, Any],
    trials: Mapping[str, Array],
) -> list[Path]:
    """Write the folder of a chip `family`: ``xylo``, ``loihi`` or ``loihi2``.

    Parameters
    ----------
    folder : Path
        Where to.
    family : str
        Which example goes into it.
    arrays, trials : mapping of str to ndarray
        What ``network.safetensors`` and ``trials.safetensors`` hold.
    about : mapping
        Everything else, for ``network.json``.

    Returns
    -------
    list of Path
        The files.
    """
    schema = schema_of(family)
    save_tensors(folder / ARRAYS, arrays, {"schema": schema})
    save_tensors(folder / TRIALS, trials, {"schema": schema})
    text = json.dumps({"schema": schema, **about}, indent=1, allow_nan=False)
    write_text(folder / ABOUT, _on_one_line(text) + "\n")
    for name, script in SCRIPTS[family].items():
        write_text(folder / name, source(script))
    return [folder / name for name in (ARRAYS, ABOUT, TRIALS, *SCRIPTS[family])]


def read_folder(folder: Path, family: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read the arrays and the JSON object of a folder.

    Raises
    ------
    VerificationError
        If a file is missing, corrupt or another one than the package writes.
    """
    from neuromod.errors import UsageError
    from neuromod.files import load_tensors

    try:
        arrays, _ = load_tensors(folder / ARRAYS, schema=schema_of(family))
        about = read_json(folder / ABOUT, schema=schema_of(family))
        texts = {name: (folder / name).read_text(encoding="utf-8") for name in SCRIPTS[family]}
    except (UsageError, OSError, ValueError) as error:
        raise VerificationError(f"{folder} is not what `write` left there: {error}") from error
    for name, script in SCRIPTS[family].items():
        if texts[name] != source(script):
            raise VerificationError(f"{folder / name} is not the file that this version writes, so it is not run")
    return arrays, about


def read_network(folder: Path, family: str, kind: type[Integers], title: str) -> Integers:
    """Read the network of integers of a folder.

    Raises
    ------
    VerificationError
        If it is not what was written there.
    """
    from neuromod.errors import UsageError

    arrays, said = read_folder(folder, family)
    try:
        found: Integers = kind.of_parts(arrays, said)
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise VerificationError(f"{folder} does not hold a {title} network: {error}") from error
    return found


def schema_of(family: str) -> str:
    """Return what the files' ``schema`` says."""
    return f"neuromod/{family}/1"


def source(name: str) -> str:
    """Text of a script that goes into the folder."""
    return resources.files("neuromod.exporting.chips").joinpath(f"examples/{name}.py").read_text(encoding="utf-8")


def _on_one_line(text: str) -> str:
    """Put lists of plain numbers on one line each, so that people can read the file."""
    import re

    return re.sub(r"\[[^\[\]{}\"]*\]", lambda found: " ".join(found.group().split()), text)
