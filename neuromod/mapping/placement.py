"""`Placement`: which neuron lies on which core."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.files import read_json, write_json, write_text
from neuromod.hardware import Grid, Target
from neuromod.network import Network
from neuromod.notebook import html_table

SCHEMA = "neuromod/placement/1"


@dataclass(frozen=True, eq=False)
class Placement:
    """Which neuron lies on which core.

    Parameters
    ----------
    grid : Grid
        The cores.
    core_of : (n,) int
        Core of each neuron of the network, row by row.
    neurons_per_core : int
        Capacity that the placement was made for: neurons that fit one core.
    target : str
        Name of the hardware target.
    placer : str
        Name of the method.
    seed : int
        Seed of the method.
    network_sha256 : str
        Digest of the network that it was made for, `Network.sha256`.
    hardware : Target, optional
        The target itself, as it was when the placement was made; None in a placement that was read from a file.

    Raises
    ------
    UsageError
        If a core number lies outside the grid.
    """

    grid: Grid
    core_of: npt.NDArray[np.int32]
    neurons_per_core: int
    target: str
    placer: str
    seed: int
    network_sha256: str
    hardware: Target | None = None

    def __post_init__(self) -> None:
        core_of = np.asarray(self.core_of)
        if core_of.ndim != 1 or not np.issubdtype(core_of.dtype, np.integer):
            raise UsageError("core_of must be one integer for each neuron")
        if len(core_of) and not (core_of.min() >= 0 and core_of.max() < self.grid.cores):
            raise UsageError(f"core_of names cores outside the grid {self.grid}")
        core_of = core_of.astype(np.int32)
        core_of.setflags(write=False)
        object.__setattr__(self, "core_of", core_of)

    @property
    def neurons_on(self) -> npt.NDArray[np.int64]:
        """Number of neurons on every core, (cores,)."""
        return np.bincount(self.core_of, minlength=self.grid.cores)

    def _repr_html_(self) -> str:
        on = self.neurons_on
        rows = [
            ("grid", f"{self.grid} cores of {self.target}"),
            ("capacity", f"{self.neurons_per_core:,} neurons per core"),
            ("neurons", f"{len(self.core_of):,} on {int((on > 0).sum()):,} cores, at most {int(on.max()):,} on one"),
            ("placer", f"{self.placer}, seed {self.seed}"),
        ]
        return html_table("Placement", rows)

    def save(self, path: Path, *, neuron_ids: npt.NDArray[np.int64], roles: list[str]) -> None:
        """Write `placement.json` and, beside it, the same as `.csv`.

        Parameters
        ----------
        path : Path
            The JSON file.
        neuron_ids : (n,) int
            Number of each neuron in the network as trained or imported.
        roles : list of str
            ``input``, ``readout``, ``input+readout`` or ``hidden`` for each neuron.
        """
        write_json(
            path,
            {
                "schema": SCHEMA,
                "grid": str(self.grid),
                "tile": f"{self.grid.tile_rows}x{self.grid.tile_columns}",
                "target": self.target,
                "placer": self.placer,
                "seed": self.seed,
                "neurons_per_core": self.neurons_per_core,
                "network_sha256": self.network_sha256,
                "neuron": neuron_ids.tolist(),
                "role": roles,
                "core": self.core_of.tolist(),
            },
        )
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["neuron", "role", "core_row", "core_column"])
        rows, columns = np.divmod(self.core_of, self.grid.columns)
        writer.writerows(zip(neuron_ids.tolist(), roles, rows.tolist(), columns.tolist(), strict=True))
        write_text(path.with_suffix(".csv"), text.getvalue())

    @classmethod
    def load(cls, path: Path) -> Placement:
        """Read `placement.json`.

        Raises
        ------
        UsageError
            If the file is missing or does not hold a valid placement.
        """
        content = read_json(path, schema=SCHEMA)
        try:
            rows, columns = (int(part) for part in content["grid"].split("x"))
            tile_rows, tile_columns = (int(part) for part in content["tile"].split("x"))
            return cls(
                grid=Grid(rows, columns, tile_rows, tile_columns),
                core_of=np.asarray(content["core"]),
                neurons_per_core=int(content["neurons_per_core"]),
                target=str(content["target"]),
                placer=str(content["placer"]),
                seed=int(content["seed"]),
                network_sha256=str(content["network_sha256"]),
            )
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            raise UsageError(
                f"cannot read {path}: it does not hold a valid placement ({error}); run `neuromod.place`"
            ) from error


def roles(network: Network) -> list[str]:
    """Role of each neuron: ``input`` and ``readout`` are those with weights from inputs and to the readout."""
    listens = (network.w_in != 0).any(axis=1)
    is_read = (network.w_out != 0).any(axis=0)
    names = np.array(["hidden", "input", "readout", "input+readout"])
    chosen: list[str] = names[listens + 2 * is_read].tolist()
    return chosen
