"""NIR files in Norse and in SpikingJelly."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from neuromod.errors import UsageError, VerificationError
from neuromod.exporting import nir as exported
from neuromod.importing import check_file
from neuromod.mapping import Placement
from neuromod.metrics import agree, evaluate, trials_for
from neuromod.network import Array, Network
from neuromod.spiking import SpikingNetwork, is_leaky
from neuromod.trials import Trials, decisions
from neuromod.verification.common import compare, first_line, gap_of
from neuromod.verification.snntorch import verify_snntorch

# A membrane this close to the threshold may fire one substep later elsewhere, and the trial goes its own way.
_TIE = 1e-5

# Largest error of a readout, relative to the largest, in trials without such a tie.
_MAX_ERROR = 1e-3

# Trials without a tie that there must be to say anything, and least share of equal decisions over all trials.
_MIN_UNTIED = 20
_MIN_EQUAL = 0.99


def verify_nir(
    path: Path,
    network: Network,
    *,
    spiking: SpikingNetwork | None = None,
    placement: Placement | None = None,
    form: exported.Form | None = None,
    n_trials: int = 500,
    seed: int = 1,
    min_agreement: float = 0.95,
    max_accuracy_gap: float = 0.02,
) -> dict[str, Any]:
    """Read a ``.nir`` file back, and run it in Norse and, with a hard reset, in SpikingJelly.

    In each runtime, decisions and readouts are compared with those of `SpikingNetwork.run` on trials drawn anew and on
    random inputs, which excite what trials leave silent. Where a membrane of the reference comes within rounding of
    the threshold, runtimes may part; in all other trials decisions must be equal and readouts the same.

    Parameters
    ----------
    path : Path
        The file.
    network : Network
        The rate network that it was made from.
    spiking : SpikingNetwork, optional
        What was exported; without it, a network that was imported from NIR, which is read back.
    placement : Placement, optional
        The present one; a file that carries another one fails.
    form : {'cuba', 'literal'}, optional
        As it was exported; if omitted, as the file says. No importer at hand reads the literal form, so it is
        read back only.
    n_trials, seed, min_agreement, max_accuracy_gap
        As for `snn.verify_snn`.

    Returns
    -------
    dict
        ``passed``, ``verified``, ``reasons``, ``runtimes`` with the figures of each, ``decision_agreement`` with the
        rate network, …

    Raises
    ------
    VerificationError
        If the file cannot be read.
    """
    try:
        nir = exported.nir_package()
    except UsageError as error:
        return {"verified": False, "passed": False, "reason": str(error)}
    try:
        check_file(path)
        graph = nir.read(path)
    except Exception as error:
        raise VerificationError(f"{path} cannot be read by nir: {first_line(error)}") from error
    if spiking is None:
        return _imported(graph, network, placement, seed)
    if form is None:
        form = "literal" if str(graph.metadata.get("form")) == "literal" else "cuba"
    trials = trials_for(network, n_trials, seed=np.random.default_rng([seed, 15]))
    x = trials.inputs[: trials.last_step.max() + 1]
    result: dict[str, Any] = {
        "passed": False,
        "verified": False,
        "mode": spiking.mode,
        "reset": spiking.reset,
        "form": form,
        "substeps": spiking.substeps,
        "weight_bits": spiking.weight_bits,
        "spikes_per_neuron_per_step": float(spiking.run(x).spikes[trials.mask[: len(x)]].mean()),
        "runtimes": {},
    }
    reasons = _differences(graph, exported.build(spiking, network=network, placement=placement, form=form))
    for name, simulate in _SIMULATORS.items():
        if (name == "spikingjelly" and spiking.reset == "soft") or form == "literal":
            what = "knows no soft reset" if form == "cuba" else "does not read the literal form"
            result["runtimes"][name] = {"verified": False, "passed": False, "reason": f"{name} {what}"}
            continue
        try:
            part = _verify_in(simulate, graph, spiking, trials, seed)
        except ImportError as error:
            part = {"verified": False, "passed": False, "reason": f"{name} is not installed ({first_line(error)})"}
        except Exception as error:  # whatever a simulator makes of a file that is not ours
            part = {"verified": True, "passed": False, "reason": f"does not run in {name}: {first_line(error)}"}
        result["runtimes"][name] = part
        result["verified"] = result["verified"] or part["verified"]
        if part["verified"] and not part["passed"]:
            reasons.append(f"{name}: {part.get('reason', 'it does not do what the exported network does')}")
    found = evaluate(network, trials, runner=lambda full: _padded(spiking.run(x).y, len(full)))
    result |= compare(evaluate(network, trials), found)
    if result["decision_agreement"] < min_agreement:
        reasons.append(f"only {result['decision_agreement']:.4f} of the decisions agree with the rate network's")
    if abs(result["accuracy"] - result["accuracy_reference"]) > gap_of(max_accuracy_gap, trials):
        reasons.append(f"the accuracy is {abs(result['accuracy'] - result['accuracy_reference']):.3f} away")
    if not result["verified"]:
        result["reason"] = "; ".join(part["reason"] for part in result["runtimes"].values())
    result["reasons"] = reasons
    result["passed"] = result["verified"] and not reasons
    return result


def _imported(graph: Any, network: Network, placement: Placement | None, seed: int) -> dict[str, Any]:
    """What was written must be what was read; what is of snnTorch's neurons runs there, too."""
    reasons = _differences(graph, exported.rebuild(network, placement=placement))
    result: dict[str, Any] = {"verified": True, "runtime": "read back with the nir package", "runtimes": {}}
    if is_leaky(network) and not reasons:
        part = verify_snntorch(graph, network, seed=seed)
        reasons += part["reasons"]
        result["runtimes"]["snntorch"] = {**part, "passed": part["verified"] and not part["reasons"]}
        result["runtime"] = "snnTorch, step by step" if part["verified"] else result["runtime"]
    result |= {"passed": not reasons, "reasons": reasons, "form": "imported", "synapses": network.n_synapses}
    return result


def _verify_in(
    simulate: Callable[..., Array], graph: Any, spiking: SpikingNetwork, trials: Trials, seed: int
) -> dict[str, Any]:
    rng = np.random.default_rng([seed, 16])
    x = trials.inputs[: trials.last_step.max() + 1]
    loud = (2 * rng.normal(size=(6, 64, x.shape[2])) * spiking.input_peak).astype(np.float32)
    worst, untied = 0.0, 0
    for inputs in (x, loud):
        reference = spiking.run(inputs)
        y = exported.decode(simulate(graph, exported.encode(inputs, spiking), spiking), spiking)
        apart = reference.margin.min(axis=(0, 2)) > _TIE
        size = max(1.0, float(np.abs(reference.y).max()))
        error = np.abs(y - reference.y).max(axis=(0, 2)) / size
        error[~np.isfinite(error)] = np.inf
        worst = max(worst, float(np.minimum(error[apart], 1e30).max(initial=0)))
        untied += int(apart.sum())
        if inputs is x:
            ours, theirs = (decisions(_padded(r, len(trials.inputs)), trials) for r in (reference.y, y))
            agreed = agree(ours, theirs, trials.trial_of_answer)
            # Values are compared above, as the whole readout is.
            wrong = 0 if trials.values else int((ours != theirs)[apart[trials.trial_of_answer]].sum())
    return {
        "verified": True,
        "passed": bool(wrong == 0 and worst <= _MAX_ERROR and untied >= _MIN_UNTIED and agreed.share >= _MIN_EQUAL),
        "decisions_equal": agreed.share,
        "decisions_equal_interval": [agreed.low, agreed.high],
        "trials": agreed.trials,
        "trials_without_a_tie": untied,
        "max_relative_error": worst,
    }


def _norse(graph: Any, encoded: Array, spiking: SpikingNetwork) -> Array:
    import norse.torch as norse
    import torch
    from norse.torch.functional import reset

    rule = reset.reset_subtract if spiking.reset == "soft" else reset.reset_value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of nirtorch, which is between two interfaces
        model = norse.from_nir(graph, dt=spiking.dt_s / spiking.substeps, reset_method=rule)
    return _stepwise(model, torch.from_numpy(encoded))


def _spikingjelly(graph: Any, encoded: Array, spiking: SpikingNetwork) -> Array:
    import torch

    # It announces itself on the log.
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        from spikingjelly.activation_based.nir_exchange import import_from_nir

        model = import_from_nir(graph, dt=spiking.dt_s / spiking.substeps, step_mode="s")
    finally:
        logging.disable(before)
    return _stepwise(model, torch.from_numpy(encoded))


def _stepwise(model: Any, encoded: Any) -> Array:
    import torch

    outputs, state = [], None
    with torch.no_grad():
        for e in encoded:
            out, state = model(e, state)
            outputs.append(out.numpy())
    return np.stack(outputs)


_SIMULATORS: dict[str, Callable[..., Array]] = {"norse": _norse, "spikingjelly": _spikingjelly}


def _differences(found: Any, wanted: Any) -> list[str]:
    """Return where a graph that was read is not the one that was written."""
    reasons = []
    if set(found.nodes) != set(wanted.nodes) or sorted(map(tuple, found.edges)) != sorted(wanted.edges):
        return ["the graph has other nodes or edges than what was exported"]
    for name, node in wanted.nodes.items():
        other = found.nodes[name]
        if type(other) is not type(node):
            reasons.append(f"{name} is a {type(other).__name__}, exported was a {type(node).__name__}")
            continue
        for key, value in vars(node).items():
            if isinstance(value, np.ndarray) and not np.array_equal(getattr(other, key), value):
                reasons.append(f"{key} of {name} is not what was exported")
    carried, right = dict(found.metadata), dict(wanted.metadata)
    about, ours = (_about(metadata.pop("about", None)) for metadata in (carried, right))
    for key in ("placement", "rates"):
        if key not in about:
            ours.pop(key, None)  # exported before there was one
    reasons += [f"the file carries a {key} that is not the network's" for key in ours if about.get(key) != ours[key]]
    return reasons + [
        f"the file says another {key} than what was exported"
        for key in right
        if not np.array_equal(np.asarray(carried.get(key)), np.asarray(right[key]))
    ]


def _about(text: Any) -> dict[str, Any]:
    import json

    try:
        content = json.loads(text)
        content["provenance"] = content["provenance"]["network_sha256"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}
    return dict(content)


def _padded(y: Array, steps: int) -> Array:
    return np.concatenate([y, np.zeros((steps - len(y), *y.shape[1:]), y.dtype)])
