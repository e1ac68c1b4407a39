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
from neuromod.training import config, model
from neuromod.training.plan import TrainingPlan, make_plan
from neuromod.training.settings import Settings

SCHEMA = "neuromod/checkpoint/2"

# One independent stream of random numbers for each purpose, so that resuming needs no generator's state.
INITIAL, TRIALS, NOISE, CARRY = range(4)


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
    swaps : int
        Swaps of neurons so far.
    seconds : float
        Time spent on these steps.
    neurons_per_core : int or None
        What a core held when training began; None without cores.
    """

    step: int
    parameters: dict[str, torch.Tensor]
    optimizer: torch.optim.Adam
    positions: npt.NDArray[np.float32]
    carried: torch.Tensor
    activity: npt.NDArray[np.float32]
    swaps: int = 0
    seconds: float = 0.0
    neurons_per_core: int | None = None


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


def start(settings: Settings, *, plan: TrainingPlan | None = None) -> State:
    """Return the state before the first step of a plan, which is made of the settings if omitted."""
    cores = (plan or make_plan(settings)).cores
    device = device_of(settings)
    generator = torch.Generator().manual_seed(seed_of(settings, INITIAL, 0))
    probe = tasks.generate(settings.tasks.names, 1, seed=0, dt_ms=settings.tasks.dt_ms)
    n_in, n_out = probe.inputs.shape[2], probe.n_classes
    drawn = model.initial(settings.network.neurons, n_in, n_out, generator=generator)
    parameters = {name: tensor.detach().to(device).requires_grad_() for name, tensor in drawn.items()}
    optimizer = torch.optim.Adam(parameters.values(), lr=settings.training.learning_rate, fused=True)
    rest = torch.zeros(settings.training.batch, settings.network.neurons, device=device)
    n = settings.network.neurons
    positions = grid_positions(n) if cores is None else cores.positions(n)
    return State(
        0, parameters, optimizer, positions, rest, np.ones(n, np.float32),
        neurons_per_core=None if cores is None else cores.capacity,
    )  # fmt: skip


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
        "parameters": {name: tensor.detach() for name, tensor in state.parameters.items()},
        "optimizer": state.optimizer.state_dict(),
    }
    # In memory first: on a full disk PyTorch's own writer fails in its own words.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_bytes(path, buffer.getvalue())


def load(path: Path, settings: Settings) -> State:
    """Read a checkpoint.

    Parameters
    ----------
    path : Path
        Its file.
    settings : Settings
        What the run trains; the checkpoint must agree.

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
        state = start(settings, plan=make_plan(settings, neurons_per_core=held))
        with torch.no_grad():
            for name, tensor in state.parameters.items():
                tensor.copy_(content["parameters"][name])
        state.optimizer.load_state_dict(content["optimizer"])
        state.positions = content["positions"].cpu().numpy()
        state.activity = content["activity"].cpu().numpy()
        state.carried = content["carried"].to(device)
        state.step, state.swaps = int(content["step"]), int(content["swaps"])
        state.seconds = float(content["seconds"])
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
    if {**found, "device": ""} != {**config.to_dict(settings), "device": ""}:
        raise UsageError(f"{path} was written with other settings than the run's config.toml; train again")
    return state
