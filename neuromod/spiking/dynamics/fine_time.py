"""The rate network in time steps as fine as those of its spiking one: what spikes cannot be blamed for."""

from __future__ import annotations

import numpy as np

from neuromod.metrics import Agreement, Evaluation, agree, evaluate
from neuromod.network import Array, Network
from neuromod.trials import Trials


def states_in_fine_time(network: Network, x: Array, substeps: int) -> Array:
    r"""States at the end of every time step, if the network is integrated in finer ones and its inputs are held.

    With :math:`\alpha_K = 1 - (1 - \alpha)^{1/K}` in each of K substeps, synapses act at once, where in its own steps
    what a neuron sends acts one step later. The two agree where the time constant is long against the time step.

    Parameters
    ----------
    network : Network
        The rate network.
    x : (time, batch, n_in)
        Inputs.
    substeps : int
        K; 1 gives the states of the network itself.

    Returns
    -------
    (time, batch, n) float32
    """
    alpha = np.float32(1 - (1 - network.alpha) ** (1 / substeps))
    states = np.zeros((*x.shape[:2], network.n), np.float32)
    state = states[0].copy() if len(x) else states
    w_rec = network.w_rec.astype(np.float32)
    for t, now in enumerate(np.asarray(x, np.float32)):
        drive = now @ network.w_in.T + network.bias
        for _ in range(substeps):
            state += alpha * (np.maximum(0, (w_rec @ state.T).T + drive) - state)
        states[t] = state
    return states


def agreement_in_fine_time(network: Network, trials: Trials, rate: Evaluation, substeps: int) -> Agreement:
    """Decisions of the rate network, `rate`, that stay in such time steps."""

    def run(x: Array) -> Array:
        return states_in_fine_time(network, x, substeps) @ network.w_out.T + network.bias_out

    other = evaluate(network, trials, runner=run)
    return agree(rate.decisions, other.decisions, rate.trial_of_answer)
