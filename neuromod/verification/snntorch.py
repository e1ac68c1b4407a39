"""NIR files of snnTorch's neurons in snnTorch, step by step."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from neuromod.network import Network
from neuromod.spiking import LeakyNetwork

# A membrane this close to the threshold, in its unit and that of the largest membrane, may fire in one runtime alone.
_TIE = 1e-5

# Largest error of a membrane after one step from the same state, relative to the largest membrane.
_MAX_ERROR = 1e-5

_STEPS, _TRIALS, _LEAST_RATE = 50, 64, 0.005


def verify_snntorch(graph: Any, network: Network, *, seed: int = 1) -> dict[str, Any]:
    """Build snnTorch's neurons from a graph, and run them beside the network on random inputs.

    Each step begins from the network's state, so that an error shows in the step that makes it; then the whole runs are
    compared, in all trials in which no membrane comes within rounding of the threshold.

    Parameters
    ----------
    graph : nir.NIRGraph
        As it was read from the file.
    network : Network
        What was exported.
    seed : int
        Of the inputs.

    Returns
    -------
    dict
        ``verified``, ``reasons`` and the figures of the comparison.
    """
    try:
        import torch

        neurons, into = _module(graph)
    except ImportError as missing:
        return {"verified": False, "reasons": [], "reason": f"snnTorch is not installed ({missing})"}
    ours = LeakyNetwork.of(network)
    rng = np.random.default_rng([seed, 19])
    for loudness in (1.0, 4.0, 16.0, 64.0):
        x = (loudness * rng.normal(size=(_STEPS, _TRIALS, network.n_in))).astype(np.float32)
        reference = ours.run(x)
        if reference.spikes.mean() > _LEAST_RATE:
            break
    size = max(1.0, float(np.abs(reference.membrane).max()))
    tie = _TIE * size
    largest, wrong, compared = 0.0, 0, 0
    state, free, theirs = ours.rest(_TRIALS), None, []
    with torch.no_grad():
        for t in range(_STEPS):
            drive = into(torch.from_numpy(x[t]))
            step = ours.run(x[t : t + 1], state)
            from_ours = (
                [state.spikes, state.current, state.membrane] if neurons.synaptic else [state.spikes, state.membrane]
            )
            spikes, *_, membrane = neurons(drive, *(torch.from_numpy(part.copy()) for part in from_ours))
            clear = step.margin[0] > tie
            largest = max(largest, float(np.abs(membrane.numpy() - step.membrane[0])[clear].max(initial=0)) / size)
            wrong += int((spikes.numpy() != step.spikes[0])[clear].sum())
            compared += int(clear.sum())
            state = step.last
        for t in range(_STEPS):
            rest = [torch.zeros(_TRIALS, network.n)] * (3 if neurons.synaptic else 2)
            free = neurons(into(torch.from_numpy(x[t])), *(rest if free is None else free))
            theirs.append(free[0].numpy())
    # A trial goes its own way after a tie.
    untied = reference.margin.min(axis=(0, 2)) > tie
    apart = int((np.stack(theirs) != reference.spikes)[:, untied].any(axis=(0, 2)).sum())
    reasons = []
    if wrong or largest > _MAX_ERROR:
        reasons.append(f"snnTorch: {wrong} of {compared:,} spikes differ, the membranes by up to {largest:.1e}")
    if apart:
        reasons.append(f"snnTorch: {apart} of {int(untied.sum())} trials without a tie have other spikes")
    if not reference.spikes.any():
        reasons.append("no neuron fires on random inputs, so nothing was compared")
    return {
        "verified": True,
        "reasons": reasons,
        "steps_compared": compared,
        "spikes_wrong": wrong,
        "max_relative_error": largest,
        "spikes_per_neuron_per_step": float(reference.spikes.mean()),
        "trials_without_a_tie": int(untied.sum()),
        "trials_apart": apart,
    }


def _module(graph: Any) -> tuple[Any, Any]:
    """Return snnTorch's neurons with the numbers of a graph, and the layer before them."""
    import snntorch
    import torch

    dt, said = float(np.asarray(graph.metadata["dt_s"])), json.loads(_text(graph.metadata["snntorch"]))
    node, into, rec = graph.nodes["neurons_0000"], graph.nodes.get("w_in_0000"), graph.nodes.get("w_rec_0000_0000")
    n = len(node.v_threshold)
    n_in = int(np.ravel(graph.nodes["input"].input_type["input"])[0])

    def kept(tau: Any) -> Any:
        return torch.from_numpy((1 - dt / np.asarray(tau, np.float64)).astype(np.float32))

    told = {
        "linear_features": n,
        "threshold": torch.from_numpy(np.asarray(node.v_threshold, np.float32)),
        "reset_mechanism": said["reset"],
        "reset_delay": said["reset_delay"],
    }
    synaptic = said["neuron"] == "RSynaptic"
    if synaptic:
        neurons = snntorch.RSynaptic(kept(node.tau_syn), kept(node.tau_mem), **told)
    else:
        neurons = snntorch.RLeaky(kept(node.tau), **told)
    neurons.synaptic = synaptic
    first = torch.nn.Linear(n_in, n)
    with torch.no_grad():
        for layer, affine in ((first, into), (neurons.recurrent, rec)):
            layer.weight.zero_()
            layer.bias.zero_()
            if affine is not None:
                layer.weight.copy_(torch.from_numpy(np.asarray(affine.weight, np.float32)))
                layer.bias.copy_(torch.from_numpy(np.asarray(affine.bias, np.float32)))
    return neurons, first


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
