"""Settings that suit small data of the user's own; what is given wins over them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neuromod.data import read_trials
from neuromod.errors import UsageError
from neuromod.training import config
from neuromod.training.settings import Settings
from neuromod.trials import Trials

# Time step of data that do not tell theirs; only its ratio to the time constant changes what is learned.
DT_MS = 100.0

BATCH, LEARNING_RATE, NEURONS, STRENGTH = 32, 3e-3, 100, 0.05

# Times that every training trial is seen, and the fewest and the most steps that come of it.
_ROUNDS, _FEWEST, _MOST = 200, 1500, 6000


def suited(data: Trials) -> dict[str, Any]:
    """Return settings for data, dotted key to value.

    Parameters
    ----------
    data : Trials
        All of them. The steps follow from the number of training trials; τ is two time steps.
    """
    n = data.counts()["train"]
    dt_ms = data.dt_ms or DT_MS
    return {
        "data.dt_ms": float(dt_ms),
        "network.neurons": NEURONS,
        "network.tau_ms": 2 * float(dt_ms),
        "training.batch": BATCH,
        "training.learning_rate": LEARNING_RATE,
        "training.steps": int(min(max(round(_ROUNDS * n / BATCH, -2), _FEWEST), _MOST)),
        # Trials of data do not follow each other, unless their user says so.
        "training.carry": 0.0,
        "wiring.strength": STRENGTH,
    }


def read_for(given: Mapping[str, Any]) -> Trials:
    """Read the file that settings name, ``data.file`` among them.

    Parameters
    ----------
    given : mapping of str to value
        Dotted keys, as `config.given` returns them.

    Raises
    ------
    UsageError
        If it cannot be read, or is not the file that ``data.sha256`` says.
    """
    data = read_trials(
        Path(str(given["data.file"])),
        readout=str(given.get("data.readout") or "") or None,
        dt_ms=float(given.get("data.dt_ms") or 0) or None,
        channels=int(given.get("data.channels") or 0) or None,
        split_seed=int(given.get("data.split_seed") or 0),
    )
    known = given.get("data.sha256")
    if known and known != data.source["sha256"]:
        raise UsageError(f"{given['data.file']} is not the file with the SHA-256 {known}; it has changed")
    return data


def settings_for(data: Trials, given: Mapping[str, Any]) -> Settings:
    """Return the settings of a training on data: what is given, else what suits them.

    Parameters
    ----------
    data : Trials
        The data.
    given : mapping of str to value
        Dotted keys, which win.

    Raises
    ------
    UsageError
        If a setting is unknown or out of range, or is about tasks.
    """
    about_tasks = [key for key in given if key.startswith("tasks.") or key == "training.response_weight"]
    if about_tasks:
        raise UsageError(f"{about_tasks[0]} is about tasks, and data are learned instead; leave one of them out")
    facts = {
        "data.file": data.source.get("name", data.names[0]),
        "data.sha256": data.source.get("sha256", ""),
        "data.readout": data.readout,
        "data.dt_ms": float(given.get("data.dt_ms") or data.dt_ms or DT_MS),
    }
    chosen = {**suited(data), **given}
    if "network.tau_ms" not in given:
        chosen["network.tau_ms"] = 2 * facts["data.dt_ms"]
    return config.load(None, (), {**chosen, **facts})


def chosen_words(data: Trials, settings: Settings, given: Mapping[str, Any]) -> str:
    """Say what was chosen for data and not given."""
    network, training = settings.network, settings.training
    parts = {
        "network.neurons": f"{network.neurons} neurons",
        "training.batch": f"batches of {min(training.batch, data.counts()['train'])}",
        "training.learning_rate": f"a learning rate of {training.learning_rate:g}",
        "training.steps": f"{training.steps:,} steps",
        "wiring.strength": f"λ {settings.wiring.strength:g}",
        "network.tau_ms": f"τ {network.tau_ms:g} ms",
    }
    if data.dt_ms is None:
        parts["data.dt_ms"] = f"time steps of {settings.dt_ms:g} ms, since the data tell none"
    left = [words for key, words in parts.items() if key not in given]
    return f"chosen for these data: {', '.join(left)}" if left else ""
