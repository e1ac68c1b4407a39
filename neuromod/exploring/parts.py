"""The parts of an exploration: each is computed once, kept in a file of its own, and found there the next time."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from neuromod.errors import DoesNotFitError, NeuromodError, UsageError
from neuromod.exploring.columns import of_estimate
from neuromod.exploring.points import Placing, Rounding
from neuromod.files import read_json, write_json
from neuromod.hardware import chips_used, parse_target
from neuromod.mapping import Effort, Placement, place
from neuromod.metrics import Activity, evaluate, has_tasks, skills_of, trials_for
from neuromod.network import Network
from neuromod.quantization import rounded
from neuromod.runs import Run
from neuromod.sweeping import Outcome
from neuromod.traffic import estimate

SCHEMA = "neuromod/explored-part/1"

# Trials of each task on which the accuracy is measured: those that pruning confirms its choice on.
TRIALS_PER_TASK = 200

# Violations that a row names.
_MOST_REASONS = 3


@dataclass(frozen=True)
class Orders:
    """What holds for every part of an exploration.

    Parameters
    ----------
    folder : Path
        Folder of the exploration; reachable under this path from every worker.
    home : Path
        Folder, a run or that of the exploration, with the network and `activity.safetensors`.
    network : str
        Name of the network's file.
    """

    folder: Path
    home: Path
    network: str

    @property
    def stop(self) -> Path:
        """File whose presence asks all parts to stop."""
        return self.folder / "stop"

    def part(self, name: str) -> Path:
        """File that keeps the outcome of a part."""
        return self.folder / "parts" / f"{name}.json"


class _StoppedError(Exception):
    """The exploration is to stop."""


def run_part(part: Placing | Rounding, orders: Orders) -> Outcome:
    """Compute a part, unless that is done, and keep it; never raises for what goes wrong inside.

    Parameters
    ----------
    part : Placing or Rounding
        What is to be computed.
    orders : Orders
        Where its network is, and where its outcome is kept.

    Returns
    -------
    Outcome
        How it went. That a network does not fit is an outcome as any other.
    """
    begun = time.monotonic()
    if known(part, orders) is not None:
        return Outcome(part.name, "kept", "", time.monotonic() - begun)
    try:
        _go_on(orders)
        network, activity = _load(orders)
        found = _place(part, network, activity, orders) if isinstance(part, Placing) else _round(part, network)
        seconds = round(time.monotonic() - begun, 3)
        write_json(orders.part(part.name), {"schema": SCHEMA, **found, "seconds": seconds})
    except _StoppedError:
        return Outcome(part.name, "stopped", "it was interrupted", time.monotonic() - begun)
    except MemoryError:
        return Outcome(part.name, "crashed", "there is not enough memory", time.monotonic() - begun)
    except (NeuromodError, ValueError, OSError) as error:
        return Outcome(part.name, "crashed", str(error), time.monotonic() - begun)
    return Outcome(part.name, "done", "", time.monotonic() - begun)


def known(part: Placing | Rounding, orders: Orders) -> dict[str, Any] | None:
    """Return the outcome of a part that is computed; None if there is none, or it cannot be read."""
    with contextlib.suppress(NeuromodError):
        return read_json(orders.part(part.name), schema=SCHEMA)
    return None


def _load(orders: Orders) -> tuple[Network, Activity]:
    """Network and activity, once a process for all its parts."""
    files = (orders.home / orders.network, orders.home / "activity.safetensors")
    return _read(orders, *(file.stat().st_mtime_ns for file in files))


@lru_cache(maxsize=1)
def _read(orders: Orders, *_times: int) -> tuple[Network, Activity]:
    return Run(orders.home).network(orders.network), Activity.load(orders.home / "activity.safetensors")


def _go_on(orders: Orders) -> None:
    if orders.stop.exists():
        raise _StoppedError


def _place(part: Placing, network: Network, activity: Activity, orders: Orders) -> dict[str, Any]:
    """Place the network and estimate what that costs, as the commands do."""
    target, search = parse_target(part.chip.text, where=part.chip.given), part.search
    about: dict[str, Any] = {"target": target.name, "given": part.chip.given}
    try:
        found = place(
            network, cores=part.cores, target=target, activity=activity, neurons_per_core=part.neurons_per_core,
            placer=search.placer, objective=search.objective, seed=search.seed,
            effort=Effort(search.effort, None, lambda _share: _go_on(orders)), advise=False,
        )  # fmt: skip
    except (DoesNotFitError, UsageError) as error:
        # What is wrong with the network or the target's file would have been said before.
        return {**about, "fits": False, "why": _why(error), "figures": {}}
    return {**about, "fits": True, "why": "", "figures": _figures(network, activity, found)}


def _figures(network: Network, activity: Activity, found: Placement) -> dict[str, Any]:
    target = found.hardware
    assert target is not None
    report = estimate(network, found, activity, target=target, seed=found.seed)
    return {
        "grid": str(found.grid),
        "capacity": found.neurons_per_core,
        "chips": chips_used(found.core_of, found.grid, target),
        "cores_used": int(np.count_nonzero(found.neurons_on)),
        "shuffled_hops": report.shuffled.hops,
        "chip_weight_bits": target.value("weight_bits"),
        "index_bits": target.value("index_bits"),
        **of_estimate(report.summary),
    }


def _why(error: NeuromodError) -> str:
    """Reasons of a refusal, in one line."""
    if not isinstance(error, DoesNotFitError):
        return str(error)
    lines = [" ".join(line.split()).replace(" : ", ": ") for line in error.facts.splitlines()[1:]]
    more = f"; and {len(lines) - _MOST_REASONS:,} more" if len(lines) > _MOST_REASONS else ""
    return "; ".join(lines[:_MOST_REASONS]) + more


def _round(part: Rounding, network: Network) -> dict[str, Any]:
    """Count the weights that rounding takes away, and measure the accuracy where there are trials for it."""
    thinner = network if part.weight_bits is None else rounded(network, part.weight_bits)
    before, after = ((n.n_synapses + np.count_nonzero(n.w_in) + np.count_nonzero(n.w_out)) for n in (network, thinner))
    accuracy = None
    # A spiking network's dynamics are not those of the rate network.
    if has_tasks(network) and "nir" not in network.info:
        seed = np.random.SeedSequence(part.seed, spawn_key=(1,))
        trials = trials_for(network, TRIALS_PER_TASK * len(skills_of(network)), seed=seed, split="validation")
        accuracy = evaluate(thinner, trials, runner=lambda x: thinner.run(x, dtype=np.float32)[0]).accuracy
    return {"synapses_lost": int(before - after), "accuracy": accuracy}
