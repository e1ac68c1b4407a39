"""`Wiring`: brain-inspired modular training in a PyTorch loop of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt
import torch

from neuromod.errors import UsageError
from neuromod.geometry import grid_positions
from neuromod.network import Network
from neuromod.training import model
from neuromod.training.on_cores import rate_average
from neuromod.training.on_cores import schedule as chip_steps
from neuromod.training.own_loop.given import Options, check_optimizer, check_tensors, make_settings
from neuromod.training.own_loop.state import WiringState
from neuromod.training.penalties import after_step
from neuromod.training.penalties import family as regularizers
from neuromod.training.penalties import proximal as bimt
from neuromod.training.plan import make_plan
from neuromod.training.schedules import prices_change, strength_at


class Wiring:
    """What the wiring of a PyTorch module costs, charged after each step of the user's optimizer.

    The neurons lie on a square grid, or on the cores of a chip. `step` takes the proximal step of the wiring cost, in
    the metric of the optimizer, and swaps neurons now and then. A swap exchanges two neurons' places and leaves all
    tensors alone, so neither what the module computes nor the optimizer's next step changes. The functions are those of
    `neuromod.train`: told the same, it makes the same network.

    Parameters
    ----------
    recurrent : (n, n) tensor
        Recurrent weights, row = target, as ``nn.RNN().weight_hh_l0`` or snnTorch's ``RLeaky().recurrent.weight``.
    inputs : (n, n_in) tensor, optional
        Input weights.
    readout : (n_out, n) tensor, optional
        Readout weights.
    bias : (n,) tensor, optional
        Biases of the neurons, which then cost as input weights do.
    strength : float, optional
        λ at its full height; the default of `training.settings.WiringSettings` if omitted.
    steps : int, optional
        Steps of the whole training, over which λ rises as in `neuromod.train`. If omitted, λ is the same from the first
        step on.
    **options
        Settings of ``[wiring]`` and ``[chip]`` as in training: ``regularizer``; ``cost``, as ``"hops"``; ``cores``, as
        ``(4, 4)``; ``target``, whose limits are kept and tighten over `steps`; ``neurons_per_core``, ``swap_every``,
        ``layer_spacing``, ``ramp_from``, ``ramp_to``, ``bias_from``, ``reach``, ``terminals``, ``activity``. With
        ``proximal=False``, `step` leaves the cost to the loss, see `cost`. Weights are not rounded to the bits of a
        target, as they would have to be where the module uses them.

    Raises
    ------
    UsageError
        If a shape does not fit, a tensor is no parameter, or a setting is unknown or out of range.
    DoesNotFitError
        If the neurons do not fit the cores.

    References
    ----------
    Liu, Khona, Fiete and Tegmark (2023), arXiv:2310.07711.

    Examples
    --------
    >>> import torch
    >>> import neuromod
    >>> rnn, head = torch.nn.RNN(3, 16, nonlinearity="relu"), torch.nn.Linear(16, 2)
    >>> wiring = neuromod.Wiring(rnn.weight_hh_l0, inputs=rnn.weight_ih_l0, readout=head.weight, strength=0.1)
    >>> optimizer = torch.optim.Adam([*rnn.parameters(), *head.parameters()], lr=0.01)
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     head(rnn(torch.ones(5, 4, 3))[0]).square().mean().backward()
    ...     optimizer.step()
    ...     wiring.step(optimizer)
    >>> wiring.network(bias=rnn.bias_ih_l0 + rnn.bias_hh_l0, bias_out=head.bias, dt_s=0.1).n
    16
    """

    def __init__(
        self,
        recurrent: torch.Tensor,
        *,
        inputs: torch.Tensor | None = None,
        readout: torch.Tensor | None = None,
        bias: torch.Tensor | None = None,
        strength: float | None = None,
        steps: int | None = None,
        **options: Unpack[Options],
    ) -> None:
        given = check_tensors({"w_rec": recurrent, "w_in": inputs, "w_out": readout, "bias": bias})
        n = len(recurrent)
        absent = {
            name: recurrent.detach().new_zeros(size)
            for name, size in (("w_in", (n, 0)), ("w_out", (0, n)), ("bias", (n,)))
            if name not in given
        }
        self.plan = make_plan(make_settings(n, strength, steps, options))
        if steps is None and chip_steps.is_limited(self.plan):
            assert self.plan.cores is not None
            raise UsageError(
                f"the limits of {self.plan.cores.target.name} tighten over the whole training; give steps, its number "
                "of optimizer steps"
            )
        cores = self.plan.cores
        positions = grid_positions(n) if cores is None else cores.positions(n)
        self.state = WiringState(0, {**given, **absent}, positions, np.ones(n, np.float32))
        # Weights that are frozen are not charged, and need not be in the optimizer.
        self._charged = {name: weight for name, weight in given.items() if weight.requires_grad}
        self._mask(recurrent)
        self._kept = chip_steps.still_alive(self.plan, self.state)
        self._prices = after_step.find_prices(self.plan, self.state)

    @property
    def positions(self) -> npt.NDArray[np.float32]:
        """Column and row of each neuron, (n, 2), in the order of the tensors."""
        return self.state.positions

    @property
    def strength(self) -> float:
        """λ of the next step."""
        return strength_at(self.plan.settings.wiring, self.state.step / self.plan.settings.training.steps)

    @property
    def info(self) -> dict[str, Any]:
        """What a network tells of where it comes from: the cores that it was trained for, if any."""
        cores = self.plan.cores
        about: dict[str, Any] = {"made_by": "neuromod.Wiring"}
        return about if cores is None else {**about, "chip": cores.as_info(self.plan.settings.wiring.cost)}

    @property
    def synapses(self) -> int:
        """Number of recurrent weights that are not zero."""
        return int(torch.count_nonzero(self.state.parameters["w_rec"].detach()))

    def cost(self) -> torch.Tensor:
        """λ C now, a differentiable scalar: a term of the loss, for a wiring made with ``proximal=False``.

        `step` of any other wiring charges it already; there it is for the record.
        """
        prices = self._prices_here()
        charged = {name: price for name, price in prices.weights.items() if name in self._charged}
        total: torch.Tensor = self.strength * bimt.wiring_cost(self.state.parameters, charged, prices.groups)
        return total

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Charge the wiring, and swap neurons and cut weights to limits if it is time to; after ``optimizer.step()``.

        Parameters
        ----------
        optimizer : torch.optim.Adam, AdamW or SGD
            What has just moved the weights. Its state is read and stays as it is.

        Raises
        ------
        UsageError
            If it is another optimizer, or does not hold one of the tensors.
        """
        check_optimizer(optimizer, self._charged)
        strength, prices = self.strength, self._prices_here()
        after_step.charge(self.plan, self.state, optimizer, prices, strength=strength, kept=self._kept)
        after_step.rearrange(self.plan, self.state, strength=strength)
        self._kept = chip_steps.still_alive(self.plan, self.state)
        # Before the optimizer moves the weights, on which prices may depend.
        if prices_change(self.plan, self.state.step):
            self._prices = after_step.find_prices(self.plan, self.state)

    def listen(self, spikes: torch.Tensor) -> None:
        """Take the activity of a batch into the estimate by which traffic is priced, now and then, as every 100 steps.

        Without it, every neuron counts the same.

        Parameters
        ----------
        spikes : (…, n) tensor
            Spikes, or how many, in each time step. Of a rate network, how many its neurons would send: for instance
            whether each is active.
        """
        n = len(self.state.positions)
        if spikes.ndim == 0 or spikes.shape[-1] != n:
            raise UsageError(f"spikes must have the shape (…, {n}), found {tuple(spikes.shape)}")
        mean = spikes.detach().reshape(-1, n).to(torch.float32).mean(dim=0).cpu().numpy()
        if not np.isfinite(mean).all() or (mean < 0).any():
            raise UsageError("spikes must be finite and not below 0")
        self.state.activity = rate_average.average(self.state.activity, mean)
        self._prices = after_step.find_prices(self.plan, self.state)

    def network(
        self,
        *,
        dt_s: float,
        tau_s: float | None = None,
        bias: torch.Tensor | None = None,
        bias_out: torch.Tensor | None = None,
        info: Mapping[str, Any] | None = None,
    ) -> Network:
        """Return the leaky ReLU network of the weights now, its neurons numbered in the order of the grid.

        What the module computes is for the user to know: `Network` says what the network computes. For snnTorch's
        neurons take `neuromod.from_snntorch`.

        Parameters
        ----------
        dt_s : float
            Time step in seconds.
        tau_s : float, optional
            Time constant in seconds; `dt_s`, which is no leak, as in ``nn.RNN``, if omitted.
        bias : (n,) tensor, optional
            Biases of the neurons, of ``nn.RNN`` the sum of its two; those that the wiring charges, else zero, if
            omitted.
        bias_out : (n_out,) tensor, optional
            Biases of the readout; zero if omitted.
        info : mapping, optional
            Goes into the network's `info`.

        Raises
        ------
        UsageError
            If a shape does not fit or a time is out of range.
        """
        tensors = dict(self.state.parameters)
        tensors["bias"] = tensors["bias"] if bias is None else bias
        tensors["bias_out"] = tensors["w_out"].new_zeros(len(tensors["w_out"])) if bias_out is None else bias_out
        n = len(self.state.positions)
        if tuple(tensors["bias"].shape) != (n,):
            raise UsageError(f"bias must have the shape ({n},), found {tuple(tensors['bias'].shape)}")
        return model.to_network(
            tensors,
            self.state.positions,
            dt_s=dt_s,
            tau_s=dt_s if tau_s is None else tau_s,
            info={**self.info, **(info or {})},
        )

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint of the user's needs besides module and optimizer; tensors and numbers only."""
        state = self.state
        return {
            "step": state.step,
            "swaps": state.swaps,
            "positions": torch.from_numpy(state.positions.copy()),
            "activity": torch.from_numpy(state.activity.copy()),
        }

    def load_state_dict(self, content: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned, after the module and the optimizer did.

        Raises
        ------
        UsageError
            If it is of another network.
        """
        state = self.state
        positions = content["positions"].cpu().numpy()
        if positions.shape != state.positions.shape:
            raise UsageError(f"the state is of {len(positions):,} neurons, the wiring of {len(state.positions):,}")
        state.step, state.swaps = int(content["step"]), int(content["swaps"])
        state.positions, state.activity = positions, content["activity"].cpu().numpy()
        self._prices = after_step.find_prices(self.plan, state)
        self._kept = chip_steps.still_alive(self.plan, state)

    def _prices_here(self) -> bimt.Prices:
        """Return the prices on the device that the module is on now."""
        recurrent, known = self.state.parameters["w_rec"], self._prices.weights.get("w_rec")
        if known is not None and known.device != recurrent.device:
            self._prices = after_step.find_prices(self.plan, self.state)
            self._kept = chip_steps.still_alive(self.plan, self.state)
        return self._prices

    def _mask(self, recurrent: torch.Tensor) -> None:
        """Zero the weights that may not exist, and their gradients, as the training loop does."""
        allowed = regularizers.mask(self.plan.settings.wiring, self.state.positions)
        if allowed is None:
            return
        mask = torch.from_numpy(allowed).to(recurrent.device)
        with torch.no_grad():
            recurrent.mul_(mask)
        recurrent.register_hook(lambda g: g * mask.to(g.device))  # type: ignore[no-untyped-call]
