"""The exported folder of a spiking network in snnTorch."""

from __future__ import annotations

import importlib.util
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from neuromod.errors import VerificationError
from neuromod.mapping import Placement
from neuromod.metrics import evaluate, trials_for
from neuromod.network import Array, Network
from neuromod.spiking import SpikingNetwork, State
from neuromod.verification.common import BATCH, WRONG, compare, first_line, gap_of
from neuromod.verification.snn_config import differences_of, read_config

_EPSILON = float(np.finfo(np.float32).eps)

# Rows of random states from which one time step is compared.
_ROWS = 64


def verify_snn(
    folder: Path,
    network: Network,
    *,
    spiking: SpikingNetwork | None = None,
    placement: Placement | None = None,
    n_trials: int = 1000,
    seed: int = 1,
    min_agreement: float = 0.95,
    max_accuracy_gap: float = 0.02,
) -> dict[str, Any]:
    """Run the exported spiking network in snnTorch, from its own folder, against its reference and the rate network.

    Parameters
    ----------
    folder : Path
        As `exporting.snn.write` made it. Its ``model.py`` is run only if it is, byte for byte, the one that this
        version writes.
    network : Network
        The rate network that it was made from.
    spiking : SpikingNetwork, optional
        What was exported. One time step from random states, in which every synapse and constant shows, must equal its
        own within rounding.
    placement : Placement, optional
        The present one; a folder that carries another one fails.
    n_trials, seed : int
        Trials whose decisions are compared, and their seed.
    min_agreement : float
        Least share of decisions equal to the rate network's that passes.
    max_accuracy_gap : float
        Largest difference of mean accuracy from the rate network's that passes.

    Returns
    -------
    dict
        ``passed``, ``reasons``, ``decision_agreement``, ``accuracy``, ``substeps``, ``spikes_per_neuron_per_step``, …

    Raises
    ------
    VerificationError
        If the folder cannot be run.
    """
    import snntorch
    import torch

    trials = trials_for(network, n_trials, seed=np.random.default_rng([seed, 12]))
    # What the file says of itself first: it may ask for more time or memory than there is.
    found_config = read_config(folder)
    differences = differences_of(found_config, network, spiking, placement)
    if spiking is not None and any("config.json says" in what for what in differences):
        return {"passed": False, "verified": True, "reasons": differences}
    model = load(folder)
    # Random input of its own, so that the outcome does not depend on what ran before.
    generator = torch.Generator().manual_seed(seed)
    spikes: list[Array] = []

    def runner(x: Array) -> Array:
        outputs = []
        for i in range(0, x.shape[1], BATCH):
            y, count, _ = _run(folder, model, x[:, i : i + BATCH], None, generator)
            outputs.append(y)
            spikes.append(count)
        return np.concatenate(outputs, axis=1)

    found, reference = evaluate(network, trials, runner=runner), evaluate(network, trials)
    counts = np.concatenate(spikes, axis=1)[trials.mask]
    result: dict[str, Any] = {
        "passed": False,
        "verified": True,
        "runtime": f"snntorch {snntorch.__version__}, torch {torch.__version__}",
        "mode": model.config["mode"],
        "reset": model.config["reset"],
        "input": model.config["input"],
        "substeps": model.config["substeps"],
        "weight_bits": model.config["weight_bits"],
        "spikes_per_neuron_per_step": float(counts.mean()),
        "min_agreement": min_agreement,
        "max_accuracy_gap": max_accuracy_gap,
        "probe_error": None if spiking is None else _probe(folder, model, spiking, np.random.default_rng([seed, 14])),
        **compare(reference, found),
    }
    agreed = result["decision_agreement"]
    gap = abs(found.accuracy - reference.accuracy)
    result["reasons"] = [
        *differences,
        *([] if spiking is None else _arrays(model, spiking)),
        *(
            ["a time step differs from the reference: some synapse or constant is not the network's"]
            if (result["probe_error"] or 0) > 1
            else []
        ),
        *([f"only {agreed:.4f} of the decisions agree"] if agreed < min_agreement else []),
        *([f"the accuracy is {gap:.3f} away from the network's"] if gap > gap_of(max_accuracy_gap, trials) else []),
    ]
    result["passed"] = not result["reasons"]
    return result


def load(folder: Path) -> Any:
    """Build the model with the folder's own ``model.py``.

    Raises
    ------
    VerificationError
        If a file cannot be read, ``model.py`` is not ours, or it cannot load the others.
    """
    from neuromod.exporting import snn

    try:
        text = (folder / "model.py").read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise VerificationError(f"{folder} cannot be read: {error}") from error
    if text != snn.template():
        raise VerificationError(
            f"{folder / 'model.py'} is not the file that this version of neuromod writes, so it was not run; "
            'export again with `neuromod.export(format="snn")`'
        )
    spec = importlib.util.spec_from_file_location("neuromod_exported_snn", folder / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
        return module.load(folder)
    except Exception as error:
        raise VerificationError(f"{folder} does not load in snnTorch: {first_line(error)}") from error
    finally:
        sys.dont_write_bytecode = before


def _run(folder: Path, model: Any, x: Array, state: State | None, generator: Any) -> tuple[Array, Array, State]:
    import torch

    tensors = None
    if state is not None:
        parts = (state.membrane, state.current, state.readout, state.travelling, state.carried)
        tensors = tuple(torch.tensor(part) for part in parts)
    try:
        with torch.no_grad():
            y, spikes, last = model(torch.tensor(np.asarray(x, np.float32)), tensors, generator)
    except (RuntimeError, TypeError, ValueError, KeyError, IndexError) as error:
        raise VerificationError(f"{folder} does not run in snnTorch: {first_line(error)}") from error
    return y.numpy(), spikes.numpy(), State(*(part.numpy() for part in last))


def _arrays(model: Any, spiking: SpikingNetwork) -> list[str]:
    """Return which arrays that do not show in a time step are not those of the network."""
    return [
        f"{name} in weights.safetensors is not what was exported"
        for name in ("scale", "input_peak")
        if not np.array_equal(getattr(model, name).numpy(), getattr(spiking, name))
    ]


def _probe(folder: Path, model: Any, spiking: SpikingNetwork, rng: np.random.Generator) -> float:
    """Largest error of one time step from random states, in units of what rounding explains."""
    # Random input would say nothing of one step.
    steady = replace(spiking, input="constant") if spiking.input == "poisson" else spiking
    x, state = _states(steady, rng)
    wanted = steady.run(x[None], state)
    model_input, model.config["input"] = model.config["input"], steady.input
    try:
        y, spikes, last = _run(folder, model, x[None], state, None)
    finally:
        model.config["input"] = model_input
    w_rec, w_out = abs(spiking.w_rec), np.abs(spiking.w_out)
    k = spiking.substeps
    terms = np.abs(x) @ np.abs(spiking.w_in).T + np.abs(spiking.bias) + np.abs(state.current) + 1
    arrived = np.asarray(w_rec @ np.ones((spiking.n, 1))).T + np.abs(state.current)
    if spiking.input == "counts":
        # In each substep as much as a channel can say.
        loudest = np.abs(spiking.w_in) @ spiking.input_peak
        terms, arrived = terms + loudest, arrived + loudest
    read = w_out.sum(axis=1) + np.abs(state.readout) + np.abs(spiking.bias_out)
    worst = 0.0
    # Rounding of one drive is added up in every substep; that of many sums partly cancels.
    often, seldom = 2 * (k + 4) * _EPSILON, 4 * math.sqrt(k + 4) * _EPSILON
    for got, right, size in (
        (y[0], wanted.y[0], seldom * read),
        (spikes[0], wanted.spikes[0], np.full_like(spikes[0], 0.5)),
        (last.membrane, wanted.last.membrane, often * (terms + (arrived if spiking.mode == "continuous" else 0))),
        (last.current, wanted.last.current, seldom * arrived),
        (last.readout, wanted.last.readout, seldom * read),
        (last.travelling, wanted.last.travelling, np.full_like(wanted.last.travelling, 0.5)),
        (last.carried, wanted.last.carried, np.full_like(wanted.last.carried, often * 100)),
    ):
        if got.shape != right.shape:
            return WRONG
        error = np.abs(got.astype(float) - right) / size
        worst = max(worst, float(np.nan_to_num(error, nan=WRONG, posinf=WRONG).max(initial=0)))
    rest, ours = model.initial(3), spiking.rest(3)
    same = all(
        np.array_equal(getattr(rest, name).numpy(), getattr(ours, name))
        for name in ("membrane", "current", "readout", "travelling", "carried")
    )
    return worst if same else WRONG


def _states(spiking: SpikingNetwork, rng: np.random.Generator) -> tuple[Array, State]:
    """Inputs (rows, n_in) and states from which no membrane comes so close to the threshold that rounding decides.

    The current is chosen so that the neurons' drives lie between strong inhibition and a spike in every substep.
    """
    n, n_in, n_out = spiking.n, spiking.w_in.shape[1], len(spiking.bias_out)
    x = (rng.normal(size=(_ROWS, n_in)) * (rng.random((_ROWS, n_in)) < max(0.3, 2 / n_in))).astype(np.float32)
    drive = x @ spiking.w_in.T + spiking.bias
    state = State(
        membrane=rng.random((_ROWS, n), dtype=np.float32),
        current=(rng.uniform(-0.5, 1.2, (_ROWS, n)) - drive).astype(np.float32),
        readout=rng.normal(size=(_ROWS, n_out)).astype(np.float32),
        travelling=(rng.random((spiking.delay, _ROWS, n)) < 0.5).astype(np.float32),
        carried=rng.uniform(-0.5, 0.5, (_ROWS, n_in)).astype(np.float32),
    )
    near = 16 * _EPSILON * spiking.substeps * (1 + np.abs(x) @ np.abs(spiking.w_in).T + np.abs(state.current))
    for _ in range(20):
        tied = spiking.run(x[None], state).margin[0] < near
        if not tied.any():
            break
        state.membrane[tied] = rng.random(int(tied.sum()), dtype=np.float32)
    return x, state
