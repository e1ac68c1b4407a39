"""The state of a training run: its beginning, and the checkpoints from which it goes on."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from neuromod import tasks
from neuromod.errors import UsageError
from neuromod.files import write_bytes
from neuromod.geometry import grid_positions
from neuromod.network import Network
from neuromod.training import config, continuing, model
from neuromod.training.plan import TrainingPlan, make_plan
from neuromod.training.settings import Settings
from neuromod.trials import Trials

SCHEMA = "neuromod/checkpoint/2"

# One independent stream of random numbers for each purpose, so that resuming needs no generator's state.
INITIAL, TRIALS, NOISE, CARRY, ERRORS = range(5)


@dataclass(frozen=True, eq=False)
class Best:
    """The network with the best validation score so far, for training that ends early.

    Parameters
    ----------
    score : float
        Its accuracy or R².
    step : int
        Steps done.
    parameters : dict of str to float32 tensor
        Named as in `model.PARAMETERS`.
    positions : (n, 2) float32
        Column and row of each neuron.
    """

    score: float
    step: int
    parameters: dict[str, torch.Tensor]
    positions: npt.NDArray[np.float32]


@dataclass
class State:
    """All that a training step changes.

    Parameters
    ----------
    step : int
        Steps done.
    parameters : dict of str to float32 tensor
        Named as in `neuromod.network.PARAMETERS`.
    optimizer : torch.optim.Adam
        With its moments.
    positions : (n, 2) float32
        Column and row of each neuron.
    carried : (trials, n) float32 tensor
        States in which the trials of the last step ended; some trials of the next step start from them.
    activity : (n,) float32
        Running estimate of each neuron's spikes, 1 on the average; it matters where traffic is charged.
    peaks : (n,) float32
        Running estimate of each neuron's largest activity, 0 before it matters: to the levels of a chip's neurons.
    swaps : int
        Swaps of neurons so far.
    seconds : float
        Time spent on these steps.
    neurons_per_core : int or None
        What a core held when training began; None without cores.
    best : Best or None
        Where training may end early.
    counts : float
        Counts of input events for an input of 1; 0 for inputs that are no counts.
    errors : (tasks,) float64 or None
        Running estimate of each task's error, once trials are dealt out by it.
    """

    step: int
    parameters: dict[str, torch.Tensor]
    optimizer: torch.optim.Adam
    positions: npt.NDArray[np.float32]
    carried: torch.Tensor
    activity: npt.NDArray[np.float32]
    peaks: npt.NDArray[np.float32]
    swaps: int = 0
    seconds: float = 0.0
    neurons_per_core: int | None = None
    best: Best | None = None
    counts: float = 0.0
    errors: npt.NDArray[np.float64] | None = None


def seed_of(settings: Settings, purpose: int, index: int) -> int:
    """Seed of the random numbers for one purpose, as `NOISE`, at one place, as a step's number."""
    sequence = np.random.SeedSequence(settings.seed, spawn_key=(purpose, index))
    return int(sequence.generate_state(1, np.uint64)[0]) >> 1


def device_of(settings: Settings) -> torch.device:
    """Return the device: for ``auto`` a GPU from 1,024 neurons on, because small networks run faster on a CPU.

    Raises
    ------
    UsageError
        If CUDA is asked for and not there.
    """
    there = torch.cuda.is_available()
    if settings.device == "cuda" and not there:
        raise UsageError('device "cuda": PyTorch finds no CUDA device here; use `device="auto"` or `device="cpu"`')
    use = settings.device == "cuda" or (settings.device == "auto" and there and settings.network.neurons >= 1024)
    return torch.device("cuda" if use else "cpu")


def start(
    settings: Settings,
    *,
    data: Trials | None = None,
    network: Network | None = None,
    plan: TrainingPlan | None = None,
) -> State:
    """Return the state before the first step.

    Parameters
    ----------
    settings : Settings
        What is trained.
    data : Trials, optional
        The user's own trials, learned instead of tasks.
    network : Network, optional
        A trained network to go on with, of as many neurons as the settings say.
    plan : TrainingPlan, optional
        What `training_plan.make_plan` makes of the settings; made here if omitted.
    """
    cores = (plan or make_plan(settings)).cores
    device = device_of(settings)
    generator = torch.Generator().manual_seed(seed_of(settings, INITIAL, 0))
    told = settings.tasks
    probe = data or tasks.generate(told.names, 1, seed=0, dt_ms=told.dt_ms, ring=told.ring)
    n_in, n_out = probe.inputs.shape[2], probe.n_classes
    drawn = model.initial(settings.network.neurons, n_in, n_out, generator=generator, start=settings.network.start)
    if network is not None:
        drawn = continuing.parameters(network, drawn, data)
    parameters = {name: tensor.detach().to(device).requires_grad_() for name, tensor in drawn.items()}
    optimizer = torch.optim.Adam(parameters.values(), lr=settings.training.learning_rate, fused=True)
    batch = settings.training.batch if data is None else min(settings.training.batch, data.counts()["train"])
    rest = torch.zeros(batch, settings.network.neurons, device=device)
    n = settings.network.neurons
    positions = grid_positions(n) if cores is None else cores.positions(n)
    if network is not None and network.positions is not None and cores is None:
        positions = np.array(network.positions)
    return State(
        0, parameters, optimizer, positions, rest, np.ones(n, np.float32), np.zeros(n, np.float32),
        neurons_per_core=None if cores is None else cores.capacity, counts=_counts(settings, data),
    )  # fmt: skip


def _counts(settings: Settings, data: Trials | None) -> float:
    if data is None:
        return settings.tasks.counts
    return float(data.source["encoding"]["counts"]) if "encoding" in data.source else 0.0


def _even_share(settings: Settings) -> int | None:
    plan = make_plan(settings)
    if plan.cores is None or settings.chip.neurons_per_core:
        return None
    share = -(-settings.network.neurons // plan.cores.grid.cores)
    return int(min(share, plan.cores.target.limit("neurons")))


def save(path: Path, settings: Settings, state: State) -> None:
    """Write all that resuming needs, all or nothing."""
    content = {
        "schema": SCHEMA,
        "settings": config.to_dict(settings),
        "step": state.step,
        "swaps": state.swaps,
        "seconds": state.seconds,
        "neurons_per_core": state.neurons_per_core,
        "carried": state.carried,
        "positions": torch.from_numpy(state.positions),
        "activity": torch.from_numpy(state.activity),
        "peaks": torch.from_numpy(state.peaks),
        "parameters": {name: tensor.detach() for name, tensor in state.parameters.items()},
        "optimizer": state.optimizer.state_dict(),
    }
    if state.errors is not None:
        content["errors"] = torch.from_numpy(state.errors)
    if state.best is not None:
        content["best"] = {**vars(state.best), "positions": torch.from_numpy(state.best.positions)}
    # In memory first: on a full disk PyTorch's own writer fails in its own words.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_bytes(path, buffer.getvalue())


def load(path: Path, settings: Settings, *, data: Trials | None = None) -> State:
    """Read a checkpoint.

    Parameters
    ----------
    path : Path
        Its file.
    settings : Settings
        What the run trains; the checkpoint must agree.
    data : Trials, optional
        The user's own trials, learned instead of tasks.

    Raises
    ------
    UsageError
        If the file is unreadable, or was written with other settings.
    """
    device = device_of(settings)
    try:
        content: Mapping[str, Any] = torch.load(path, map_location=device, weights_only=True)
        if content["schema"] != SCHEMA:
            raise ValueError(f"its schema is {content['schema']!r}")
        found = content["settings"]
        # Version 0.1.0 wrote no capacity; unless told otherwise it took an even share without slack.
        held = content["neurons_per_core"] if "neurons_per_core" in content else _even_share(settings)
        state = start(settings, data=data, plan=make_plan(settings, neurons_per_core=held))
        with torch.no_grad():
            for name, tensor in state.parameters.items():
                tensor.copy_(content["parameters"][name])
        state.optimizer.load_state_dict(content["optimizer"])
        state.positions = content["positions"].cpu().numpy()
        state.activity = content["activity"].cpu().numpy()
        if "peaks" in content:
            state.peaks = content["peaks"].cpu().numpy()
        if "errors" in content:
            state.errors = content["errors"].cpu().numpy()
        state.carried = content["carried"].to(device)
        state.step, state.swaps = int(content["step"]), int(content["swaps"])
        state.seconds = float(content["seconds"])
        if best := content.get("best"):
            at = best["positions"].cpu().numpy()
            state.best = Best(float(best["score"]), int(best["step"]), dict(best["parameters"]), at)
        # A checkpoint of an earlier version knows fewer settings; those that it lacks had their defaults.
        same = config.to_dict(config.load(None, (), config.flatten(found), config.BEFORE))
    except FileNotFoundError as error:
        raise UsageError(
            f"{path} does not exist, so there is nothing to resume; start with `neuromod.train`"
        ) from error
    except (
        RuntimeError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        OSError,
        pickle.UnpicklingError,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"cannot read {path}: it is truncated or corrupt ({reason}); train again") from error
    if {**same, "device": ""} != {**config.to_dict(settings), "device": ""}:
        raise UsageError(f"{path} was written with other settings than the run's config.toml; train again")
    return state
