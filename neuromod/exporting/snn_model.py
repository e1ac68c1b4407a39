"""A rate-coded spiking recurrent network in snnTorch. Needs torch, snntorch and safetensors, nothing else.

    model = load(folder)
    y, spikes, state = model(x)                # x (time, batch, n_in)
    y, spikes, state = model(more, state)      # goes on where it stopped

Each time step of the rate network is `substeps` steps of integrate-and-fire neurons:

    membrane += w_in x + w_rec's trace;   a spike where membrane > 1;   reset;   membrane = max(membrane, floor)

The synaptic trace lies after w_rec, so that only zeros and ones cross a synapse. A spike of neuron j stands for
scale[j] / substeps of the rate network's activity during one time step. Two ways to run:

    hold        the trace takes in a time step's spikes at its end (needs a barrier at every time step)
    continuous  the trace takes in every spike `delay` substeps after it was fired (needs no barrier)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import snntorch
import torch
from safetensors.torch import load_file
from torch import Tensor, nn


class State(NamedTuple):
    """All that the network remembers; nothing is hidden in the modules."""

    membrane: Tensor  # (batch, n), threshold 1
    current: Tensor  # (batch, n), trace of the recurrent synapses
    readout: Tensor  # (batch, n_out), trace of the readout synapses
    travelling: Tensor  # (delay, batch, n), spikes that have not arrived yet


class SpikingRNN(nn.Module):
    """Integrate-and-fire neurons, recurrent synapses with an exponential trace, linear readout of the trace.

    `config` holds n_in, n, n_out, substeps, alpha, mode (hold, continuous), delay, reset (soft, hard), floor (a number
    or null), start and input (constant: a current for the whole time step; poisson: random spikes).
    """

    scale: Tensor
    input_peak: Tensor

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = dict(config)
        n_in, n, n_out = int(config["n_in"]), int(config["n"]), int(config["n_out"])
        self.w_in = nn.Linear(n_in, n)
        self.w_rec = nn.Linear(n, n, bias=False)
        self.w_out = nn.Linear(n, n_out, bias=False)
        self.bias_out = nn.Parameter(torch.zeros(n_out))
        self.register_buffer("scale", torch.ones(n))
        self.register_buffer("input_peak", torch.ones(n_in))
        # Integrates and fires; the reset is below, because snnTorch's own loses spikes of a membrane above twice the
        # threshold and knows no floor. The membrane is handed in with every call, so no state stays in the module.
        self.neuron = snntorch.Leaky(beta=1.0, threshold=1.0, reset_mechanism="none")

    def initial(self, batch: int) -> State:
        """State before the first step."""
        n, n_out = self.w_rec.out_features, self.w_out.out_features
        zeros = self.bias_out.new_zeros
        membrane = zeros(batch, n) + self.config["start"]
        return State(membrane, zeros(batch, n), zeros(batch, n_out), zeros(self.config["delay"], batch, n))

    def forward(
        self, x: Tensor, state: State | None = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, State]:
        """Run x (time, batch, n_in); return y (time, batch, n_out), spikes of each step (time, batch, n) and state."""
        membrane, current, readout, travelling = self.initial(x.shape[1]) if state is None else state
        substeps, alpha = self.config["substeps"], self.config["alpha"]
        continuous = self.config["mode"] == "continuous"
        # Share of the trace that one substep replaces, so that `substeps` of them replace alpha.
        share = 1 - (1 - alpha) ** (1 / substeps) if continuous else alpha
        queue = list(travelling)
        outputs, counts = [], []
        for x_t in x:
            drive = None if self.config["input"] == "poisson" else self.w_in(x_t)
            count = torch.zeros_like(membrane)
            arrived, read = torch.zeros_like(current), torch.zeros_like(readout)
            for _ in range(substeps):
                now = self.w_in(self.poisson(x_t, generator)) if drive is None else drive
                spike, membrane = self.neuron(now + current, membrane)
                membrane = self.reset(membrane, spike)
                count = count + spike
                if continuous:
                    queue.append(spike)
                    current = (1 - share) * current + share * self.w_rec(queue.pop(0))
                    readout = (1 - share) * readout + share * self.w_out(spike)
                else:
                    arrived = arrived + self.w_rec(spike)
                    read = read + self.w_out(spike)
            if not continuous:
                current = (1 - share) * current + (share / substeps) * arrived
                readout = (1 - share) * readout + (share / substeps) * read
            outputs.append(readout + self.bias_out)
            counts.append(count)
        travelling = torch.stack(queue) if queue else travelling
        return torch.stack(outputs), torch.stack(counts), State(membrane, current, readout, travelling)

    def reset(self, membrane: Tensor, spike: Tensor) -> Tensor:
        """Take the threshold off (soft) or begin anew at 0 (hard) where a spike was fired; keep to the floor."""
        membrane = membrane - spike if self.config["reset"] == "soft" else membrane * (1 - spike)
        floor = self.config["floor"]
        return membrane if floor is None else membrane.clamp(min=floor)

    def poisson(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """Spikes at random, each of the size `input_peak` and with the sign of x, whose mean is x."""
        hit = torch.bernoulli((x.abs() / self.input_peak).clamp(max=1), generator=generator)
        return x.sign() * hit * self.input_peak


def load(folder: str | Path) -> SpikingRNN:
    """Build the network from `config.json` and `weights.safetensors` in `folder`."""
    folder = Path(folder)
    model = SpikingRNN(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    tensors = load_file(folder / "weights.safetensors")
    with torch.no_grad():
        for name, target in (
            ("w_in", model.w_in.weight),
            ("bias", model.w_in.bias),
            ("w_rec", model.w_rec.weight),
            ("w_out", model.w_out.weight),
            ("bias_out", model.bias_out),
            ("scale", model.scale),
            ("input_peak", model.input_peak),
        ):
            if name in tensors:
                if tensors[name].shape != target.shape:
                    raise ValueError(f"{name} has the shape {tuple(tensors[name].shape)}, needed {tuple(target.shape)}")
                target.copy_(tensors[name])
            else:  # a sparse matrix: flat places, row by row, and the values there
                values = tensors[f"{name}.value"].to(target.dtype)
                target.zero_().view(-1)[tensors[f"{name}.index"].long()] = values
            if f"{name}.step" in tensors:  # integers, in units of one step size for each row
                target.mul_(tensors[f"{name}.step"][:, None])
    return model.eval()
