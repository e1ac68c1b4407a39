"""`SpikingNetwork`, integrate-and-fire neurons that stand for a rate network, and its reference dynamics in NumPy."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy import sparse

from neuromod.arrays import as_csr
from neuromod.errors import UsageError
from neuromod.files import load_tensors, save_tensors
from neuromod.network import Array
from neuromod.spiking.dynamics.events import drive_of
from neuromod.spiking.dynamics.substeps import Moment, Neurons, advance

SCHEMA = "neuromod/spiking/1"

Mode = Literal["hold", "continuous"]
Reset = Literal["soft", "hard"]
Input = Literal["constant", "poisson", "counts"]

_ARRAYS = ("w_in", "bias", "w_out", "bias_out", "scale", "input_peak", "step_in", "step_out")
_NUMBERS = (
    "alpha", "dt_s", "substeps", "mode", "delay", "reset", "floor", "start", "keep", "input", "weight_bits",
)  # fmt: skip

_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("alpha", "dt_s", "start", "keep"), (int, float)),
    **dict.fromkeys(("substeps", "delay"), (int, np.integer)),
    **dict.fromkeys(("mode", "reset", "input"), (str,)),
    "floor": (int, float, type(None)),
    "weight_bits": (int, np.integer, type(None)),
}


@dataclass(frozen=True, eq=False)
class State:
    """All that a spiking network remembers between two time steps, float32.

    Parameters
    ----------
    membrane : (batch, n)
        In units of the threshold.
    current : (batch, n)
        Trace of the recurrent synapses.
    readout : (batch, n_out)
        Trace of the readout's synapses.
    travelling : (delay, batch, n)
        Spikes on their way, the next to arrive first.
    carried : (batch, n_in)
        What the spikes of the inputs have not made good yet, or have in the synapses; see `dynamics.events.spikes_of`.
    """

    membrane: Array
    current: Array
    readout: Array
    travelling: Array
    carried: Array


@dataclass(frozen=True, eq=False)
class Response:
    """What a spiking network did.

    Parameters
    ----------
    y : (time, batch, n_out) float32
        Readout at the end of every time step.
    spikes : (time, batch, n) float32
        Number of spikes in every time step.
    traces : (time, batch, n) float32
        Low-passed share of the substeps in which each neuron fired, from 0 at the start.
    margin : (time, batch, n) float32
        Least distance of the membrane from the threshold in the substeps of each time step: where it is within
        rounding, another runtime may fire one substep earlier or later.
    last : State
        State after the last step.
    """

    y: Array
    spikes: Array
    traces: Array
    margin: Array
    last: State


@dataclass(frozen=True, eq=False)
class SpikingNetwork:
    r"""Integrate-and-fire neurons with threshold 1 and an exponential trace behind the recurrent synapses.

    In each of the `substeps` K of a time step, with the trace u, the membrane v and the spikes s,

    .. math::

        v \leftarrow \beta v + W_{in} x_t + b + u, \quad s = [v > 1], \quad v \leftarrow \max(v - s, floor)

    ``hold`` takes the spikes into the trace at the end of the time step,
    :math:`u \leftarrow (1 - \alpha) u + \alpha W_{rec} \sum s / K`, and so converges to the rate network as K grows.
    ``continuous`` does so in every substep with :math:`\alpha_K = 1 - (1 - \alpha)^{1/K}`, `delay` substeps after the
    spike, and needs no barrier; a delay of half a time step stands for the mean time that the rate network holds a
    state before it acts.

    Parameters
    ----------
    w_rec : (n, n) sparse array, float32
        Recurrent weights in units of the thresholds.
    w_in, bias : (n, n_in) and (n,) float32
        Input weights and biases in units of the thresholds.
    w_out, bias_out : (n_out, n) and (n_out,) float32
        Readout of the trace of the spikes.
    scale : (n,) float32
        Activity of the rate network that a neuron firing in every substep stands for.
    alpha : float
        Share of the trace that one time step replaces.
    dt_s : float
        Time step in seconds.
    substeps : int
        Steps of the neurons in one time step.
    mode : {'hold', 'continuous'}
        When the trace takes in the spikes.
    delay : int
        Substeps between a spike and its arrival, ``continuous`` only.
    reset : {'soft', 'hard'}
        Whether a spike takes the threshold off the membrane or sets it to 0.
    floor : float or None
        Lower bound of the membrane.
    start : float
        Membrane before the first step.
    keep : float
        Share β of the membrane that a substep keeps; below 1, a leak forgets inhibition where there is no floor.
    input : {'constant', 'poisson', 'counts'}
        Whether an input is a current that stays for the time step; or spikes at random in each substep whose mean it
        is, each of the size `input_peak` and with the input's sign; or spikes that follow it and carry their error to
        the next substep, see `dynamics.events.spikes_of`. In ``continuous`` these pass the synapses as all spikes do.
    input_peak : (n_in,) float32
        Largest input of each channel that spikes stand for: one in every substep; one if omitted.
    weight_bits : int or None
        Bits of the weights if they are quantised, see `neuromod.quantization`.
    step_in, step_out : (n,) and (n_out,) float32, optional
        If they are: `w_in` and `w_rec` are whole multiples of each row's `step_in`, `w_out` of `step_out`.
    """

    w_rec: sparse.csr_array
    w_in: Array
    bias: Array
    w_out: Array
    bias_out: Array
    scale: Array
    alpha: float
    dt_s: float
    substeps: int
    mode: Mode = "hold"
    delay: int = 0
    reset: Reset = "soft"
    floor: float | None = 0.0
    start: float = 0.5
    keep: float = 1.0
    input: Input = "constant"
    input_peak: Array = field(default=None)  # type: ignore[arg-type]
    weight_bits: int | None = None
    step_in: Array | None = None
    step_out: Array | None = None

    def __post_init__(self) -> None:
        for name, kinds in _KINDS.items():
            value = getattr(self, name)
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise UsageError(f"{name} = {value!r} cannot be used")
        if not (0 < self.alpha <= 1 and 0 < self.dt_s < np.inf and 0 <= self.keep <= 1):
            raise UsageError(f"alpha = {self.alpha}, dt_s = {self.dt_s} or keep = {self.keep} is out of range")
        if self.substeps < 1:
            raise UsageError(f"needed at least 1 substep, found {self.substeps}")
        if self.mode == "continuous" and self.alpha >= 1:
            raise UsageError("alpha = 1 leaves no trace to run continuously; use the mode hold")
        if not 0 <= self.delay <= self.substeps or (self.delay and self.mode == "hold"):
            raise UsageError(f"needed a delay of 0 to {self.substeps} substeps (0 with hold), found {self.delay}")
        object.__setattr__(self, "w_rec", as_csr(self.w_rec))
        peak = np.ones(self.w_in.shape[1]) if self.input_peak is None else self.input_peak
        object.__setattr__(self, "input_peak", peak)
        n, n_in, n_out = self.w_rec.shape[0], self.w_in.shape[1], len(self.bias_out)
        shapes = ((n, n_in), (n,), (n_out, n), (n_out,), (n,), (n_in,), (n,), (n_out,))
        for name, shape in zip(_ARRAYS, shapes, strict=True):
            if getattr(self, name) is not None:
                array = np.asarray(getattr(self, name), np.float32)
                if array.shape != shape:
                    raise UsageError(f"{name} must have the shape {shape}, found {array.shape}")
                object.__setattr__(self, name, array)

    @property
    def n(self) -> int:
        """Number of neurons."""
        return len(self.scale)

    @property
    def share(self) -> float:
        """Share of the trace that is replaced at once: in a substep (``continuous``) or in a time step (``hold``)."""
        return float(1 - (1 - self.alpha) ** (1 / self.substeps)) if self.mode == "continuous" else self.alpha

    @property
    def spike_size(self) -> Array:
        """What one spike of each input channel adds to its input in a substep, with ``counts``, (n_in,) float32."""
        return self.input_peak * np.float32(self.share) if self.mode == "continuous" else self.input_peak

    def rest(self, batch: int) -> State:
        """State before the first step."""
        return State(
            membrane=np.full((batch, self.n), self.start, np.float32),
            current=np.zeros((batch, self.n), np.float32),
            readout=np.zeros((batch, len(self.bias_out)), np.float32),
            travelling=np.zeros((self.delay, batch, self.n), np.float32),
            carried=np.zeros((batch, self.w_in.shape[1]), np.float32),
        )

    def run(self, x: Array, state: State | None = None, *, rng: np.random.Generator | None = None) -> Response:
        """Run the network: the reference for every spiking export.

        Parameters
        ----------
        x : (time, batch, n_in)
            Inputs.
        state : State, optional
            Where to start; at rest if omitted.
        rng : numpy.random.Generator, optional
            Source of the input spikes, for `input` = ``poisson``.
        """
        x = np.asarray(x, np.float32)
        time, batch = x.shape[:2]
        state = state or self.rest(batch)
        carried, readout, share = state.carried, state.readout, np.float32(self.share)
        moment = Moment(
            *(np.array(part, np.float32) for part in (state.membrane, state.current, state.travelling)),
            *np.zeros((3, batch, self.n), np.float32),
        )
        spikes = np.zeros((time, batch, self.n), np.float32)
        traces, margin = np.empty_like(spikes), np.full_like(spikes, np.inf)
        y = np.empty((time, batch, len(self.bias_out)), np.float32)
        trace, decay = np.zeros((batch, self.n), np.float32), np.float32(1 - self.alpha)
        neurons = self.neurons()
        # Dense products are faster above a density of some percent.
        w_rec = self.w_rec.toarray() if self.w_rec.nnz > 0.1 * self.n**2 else self.w_rec
        for t in range(time):
            drive, carried = drive_of(self, x[t], carried, rng)
            moment = replace(moment, count=spikes[t], margin=margin[t])
            moment.fresh[:] = 0
            advance(neurons, moment, drive)
            if self.mode == "hold":
                moment.fresh[:] = share * spikes[t] / np.float32(self.substeps)
                moment.current[:] = decay * moment.current + np.ascontiguousarray((w_rec @ moment.fresh.T).T)
            trace = decay * trace + moment.fresh
            readout = decay * readout + moment.fresh @ self.w_out.T
            traces[t], y[t] = trace, readout + self.bias_out
        last = State(moment.membrane, moment.current, readout, moment.travelling, carried)
        return Response(y, spikes, traces, margin, last)

    def neurons(self) -> Neurons:
        """Constants of the neurons for the compiled loop."""
        return Neurons(
            *Neurons.by_source(self.w_rec),
            bias=self.bias,
            substeps=self.substeps,
            keep=self.keep,
            floor=-np.inf if self.floor is None else self.floor,
            hard=self.reset == "hard",
            share=self.share if self.mode == "continuous" else 0.0,
            through_synapses=self.input == "counts" and self.mode == "continuous",
        )

    def save(self, path: Path | str) -> None:
        """Write the network as safetensors; equal networks give equal bytes."""
        tensors: dict[str, Array] = {
            "w_rec.indptr": self.w_rec.indptr.astype(np.int64),
            "w_rec.indices": self.w_rec.indices.astype(np.int32),
            "w_rec.data": self.w_rec.data,
        }
        tensors |= {name: getattr(self, name) for name in _ARRAYS if getattr(self, name) is not None}
        save_tensors(Path(path), tensors, {"schema": SCHEMA, **self.numbers()})

    def numbers(self) -> dict[str, Any]:
        """Everything but the arrays, as JSON holds it."""
        return {name: getattr(self, name) for name in _NUMBERS}

    @classmethod
    def load(cls, path: Path | str) -> SpikingNetwork:
        """Read a network that `save` wrote.

        Raises
        ------
        UsageError
            If the file is missing, truncated or corrupt, or holds something else.
        """
        tensors, metadata = load_tensors(Path(path), schema=SCHEMA)
        try:
            indptr, indices, data = (tensors.pop(f"w_rec.{part}") for part in ("indptr", "indices", "data"))
            n = len(indptr) - 1
            w_rec = sparse.csr_array((data, indices, indptr), shape=(n, n))
            w_rec.check_format(full_check=True)
            content: dict[str, Any] = {**tensors, **{name: metadata[name] for name in _NUMBERS}}
            return cls(w_rec=w_rec, **content)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise UsageError(f"cannot read {path}: it does not hold a valid spiking network ({error})") from error
