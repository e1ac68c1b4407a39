"""Trained networks of the runs that a benchmark is given."""

from __future__ import annotations

from pathlib import Path

from neuromod import Network
from neuromod.rundir import open_run
from neuromod.settings import Settings


def trained(path: str, *, pruned: bool = True) -> tuple[str, Network]:
    """Name of a run in the tables, and its network."""
    run = open_run(Path(path))
    settings = run.manifest()["steps"]["train"]["arguments"]
    wiring, steps = settings["wiring"], settings["training"]["steps"]
    cost = "no wiring cost" if wiring["regularizer"] == "none" else f"λ = {wiring['strength']:g}"
    name = f"{settings['network']['neurons']} neurons, {cost}, seed {settings['seed']}"
    name += f", {steps:,} steps" if steps != Settings().training.steps else ""
    network = Network.load(run.file("pruned.safetensors" if pruned else "network.safetensors"))
    return name if pruned else f"{name}, not pruned", network
