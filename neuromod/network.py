"""`Network`, the type through which everything passes, and its reference dynamics in NumPy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from neuromod.arrays import Array as Array
from neuromod.arrays import as_array, as_csr, frozen
from neuromod.errors import UsageError
from neuromod.files import load_tensors, save_tensors
from neuromod.notebook import html_table
from neuromod.populations import info_of

if TYPE_CHECKING:
    from neuromod.trials import Trials

SCHEMA = "neuromod/network/1"

# Names of what training changes, in the order in which its optimizer holds them.
PARAMETERS = ("w_rec", "w_in", "w_out", "bias", "bias_out")


@dataclass(frozen=True, eq=False)
class Network:
    r"""A leaky rate RNN with positions, the waist of the pipeline.

    .. math::

        h_t &= (1 - \alpha) h_{t-1} + \alpha \max(0, W_{rec} h_{t-1} + W_{in} x_t + b), \quad \alpha = dt / \tau \\
        y_t &= W_{out} h_t + b_{out}

    Arrays are checked, converted and made read-only on construction.

    Parameters
    ----------
    w_rec : (n, n) sparse array, float32
        Recurrent weights, row = target, column = source. Kept as canonical CSR without explicit zeros.
    w_in : (n, n_in) float32
        Input weights.
    w_out : (n_out, n) float32
        Readout weights.
    bias, bias_out : (n,) and (n_out,) float32
        Biases of the neurons and of the readout.
    dt_s, tau_s : float
        Time step and time constant in seconds, 0 < dt_s <= tau_s.
    positions : (n, 2) float32, optional
        Column and row of each neuron, in units of the pitch of the grid that the network was trained on.
    rates : (n,) float32, optional
        Mean activity in spikes (active steps) per time step, as given by the user of an imported network.
    neuron_ids : (n,) int64, optional
        Number of each neuron in the network as trained or imported; pruning keeps them. 0 … n-1 if omitted.
    info : mapping, optional
        Where the network comes from, JSON only; training writes ``tasks``, ``semantics`` and ``dt_ms``, or ``data``.
    data : Trials, optional
        The user's own trials that it was trained on, which every later step measures it with. Not saved with it.

    Raises
    ------
    UsageError
        If a shape does not fit, a value is complex or not finite, or a number is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from neuromod import Network
    >>> net = Network(w_rec=np.array([[0, 0.5], [0, 0]]), w_in=np.eye(2), w_out=np.ones((1, 2)),
    ...               bias=np.zeros(2), bias_out=np.zeros(1), dt_s=0.1, tau_s=0.1)
    >>> y, h_last = net.run(np.ones((3, 1, 2)))
    >>> y[:, 0, 0].tolist()
    [2.0, 2.5, 2.5]
    """

    w_rec: sparse.csr_array
    w_in: Array
    w_out: Array
    bias: Array
    bias_out: Array
    dt_s: float
    tau_s: float
    positions: Array | None = None
    rates: Array | None = None
    neuron_ids: Array = field(default=None)  # type: ignore[arg-type]
    info: Mapping[str, Any] = field(default_factory=dict)
    data: Trials | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        w_rec = as_csr(self.w_rec)
        n = w_rec.shape[0]
        object.__setattr__(self, "w_rec", w_rec)
        w_in = as_array("w_in", self.w_in, (n, None))
        object.__setattr__(self, "w_in", w_in)
        w_out = as_array("w_out", self.w_out, (None, n))
        object.__setattr__(self, "w_out", w_out)
        object.__setattr__(self, "bias", as_array("bias", self.bias, (n,)))
        object.__setattr__(self, "bias_out", as_array("bias_out", self.bias_out, (w_out.shape[0],)))
        if self.positions is not None:
            object.__setattr__(self, "positions", as_array("positions", self.positions, (n, 2)))
        if self.rates is not None:
            rates = as_array("rates", self.rates, (n,))
            if (rates < 0).any():
                raise UsageError(f"rates must not be negative, found {rates.min():g} for neuron {int(rates.argmin())}")
            object.__setattr__(self, "rates", rates)
        ids = np.arange(n) if self.neuron_ids is None else np.asarray(self.neuron_ids)
        if ids.shape != (n,) or not np.issubdtype(ids.dtype, np.integer) or len(np.unique(ids)) != n:
            raise UsageError(f"neuron_ids must be {n} different integers")
        object.__setattr__(self, "neuron_ids", frozen(ids.astype(np.int64)))
        if not isinstance(self.info, Mapping):
            raise UsageError(f"info must be a mapping, found {type(self.info).__name__}")
        if not (0 < self.dt_s <= self.tau_s < np.inf):
            raise UsageError(f"needed 0 < dt_s <= tau_s, found dt_s = {self.dt_s} and tau_s = {self.tau_s}")

    @property
    def n(self) -> int:
        """Number of recurrent neurons."""
        return int(self.w_rec.shape[0])

    @property
    def n_in(self) -> int:
        """Number of input channels."""
        return int(self.w_in.shape[1])

    @property
    def n_out(self) -> int:
        """Number of readout channels."""
        return int(self.w_out.shape[0])

    @property
    def n_synapses(self) -> int:
        """Number of non-zero recurrent weights."""
        return int(self.w_rec.nnz)

    @property
    def alpha(self) -> float:
        """Share of the state that one time step replaces, dt / tau."""
        return self.dt_s / self.tau_s

    def run(self, x: Array, h0: Array | None = None, *, dtype: npt.DTypeLike = np.float64) -> tuple[Array, Array]:
        """Run the network: the reference that every export is verified against.

        Parameters
        ----------
        x : (time, batch, n_in)
            Inputs.
        h0 : (batch, n), optional
            State before the first step; zero if omitted.
        dtype : dtype, default float64
            Precision of the arithmetic.

        Returns
        -------
        y : (time, batch, n_out)
            Readout of every step.
        h_last : (batch, n)
            State after the last step.
        """
        states = self.states(x, h0, dtype=dtype)
        y = states @ self.w_out.T.astype(dtype) + self.bias_out.astype(dtype)
        last = states[-1] if len(states) else self._initial(x, h0, dtype)
        return y, last

    def states(self, x: Array, h0: Array | None = None, *, dtype: npt.DTypeLike = np.float64) -> Array:
        """State h of every step, (time, batch, n); arguments as for `run`."""
        if "nir" in self.info:
            raise UsageError("a network imported from NIR is spiking and does not run here; map, estimate or export it")
        x = np.asarray(x)
        if x.ndim != 3 or x.shape[2] != self.n_in:
            raise UsageError(f"inputs must have the shape (time, batch, {self.n_in}), found {x.shape}")
        h = self._initial(x, h0, dtype)
        drive = x.astype(dtype) @ self.w_in.T.astype(dtype) + self.bias.astype(dtype)
        # Dense products are faster above a density of some percent.
        dense = self.n_synapses > 0.1 * self.n**2
        w_rec = (self.w_rec.toarray() if dense else self.w_rec).astype(dtype)
        alpha = self.alpha
        out = np.empty((*x.shape[:2], self.n), dtype)
        for t in range(len(x)):
            recurrent = h @ w_rec.T if dense else (w_rec @ h.T).T
            h = (1 - alpha) * h + alpha * np.maximum(0, recurrent + drive[t])
            out[t] = h
        return out

    def _initial(self, x: Array, h0: Array | None, dtype: npt.DTypeLike) -> Array:
        shape = (x.shape[1], self.n)
        if h0 is None:
            return np.zeros(shape, dtype)
        h0 = np.asarray(h0, dtype)
        if h0.shape != shape:
            raise UsageError(f"h0 must have the shape (batch, n) = {shape}, found {h0.shape}")
        return h0

    def subset(self, keep: Array) -> Network:
        """Return the network of the neurons `keep`, (m,) int, in that order, with the synapses among them."""
        keep = np.asarray(keep)
        return replace(
            self,
            w_rec=self.w_rec[keep][:, keep],
            w_in=self.w_in[keep],
            w_out=self.w_out[:, keep],
            bias=self.bias[keep],
            positions=None if self.positions is None else self.positions[keep],
            rates=None if self.rates is None else self.rates[keep],
            neuron_ids=self.neuron_ids[keep],
            info=info_of(self.info, keep),
        )

    def _repr_html_(self) -> str:
        tasks = self.info.get("tasks")
        rows = [
            ("neurons", self.n),
            ("synapses", f"{self.n_synapses:,} ({self.n_synapses / self.n**2:.2%} of all pairs)"),
            ("inputs, readouts", f"{self.n_in:,}, {self.n_out:,}"),
            ("dt, tau", f"{self.dt_s:g} s, {self.tau_s:g} s"),
            ("positions", "no" if self.positions is None else "yes"),
            ("tasks", ", ".join(map(str, tasks)) if isinstance(tasks, list) else "unknown"),
        ]
        return html_table("Network", rows)

    def sha256(self) -> str:
        """Digest of the content as 64 hexadecimal digits, independent of the file that holds it."""
        digest = hashlib.sha256()
        tensors, metadata = self._parts()
        for name in sorted(tensors):
            digest.update(f"{name}{tensors[name].dtype.str}{tensors[name].shape}".encode())
            digest.update(np.ascontiguousarray(tensors[name]).tobytes())
        digest.update(json.dumps(metadata, sort_keys=True).encode())
        return digest.hexdigest()

    def save(self, path: Path | str) -> None:
        """Write the network as safetensors; equal networks give equal bytes."""
        tensors, metadata = self._parts()
        save_tensors(Path(path), tensors, metadata)

    def _parts(self) -> tuple[dict[str, Array], dict[str, Any]]:
        tensors: dict[str, Array] = {
            "w_rec.indptr": self.w_rec.indptr.astype(np.int64),
            "w_rec.indices": self.w_rec.indices.astype(np.int32),
            "w_rec.data": self.w_rec.data,
            "w_in": self.w_in,
            "w_out": self.w_out,
            "bias": self.bias,
            "bias_out": self.bias_out,
            "neuron_ids": self.neuron_ids,
        }
        if self.positions is not None:
            tensors["positions"] = self.positions
        if self.rates is not None:
            tensors["rates"] = self.rates
        metadata = {
            "schema": SCHEMA,
            "model": "leaky_relu",
            "dt_s": self.dt_s,
            "tau_s": self.tau_s,
            "info": dict(self.info),
        }
        return tensors, metadata

    @classmethod
    def load(cls, path: Path | str) -> Network:
        """Read a network that `save` wrote.

        Raises
        ------
        UsageError
            If the file is missing, truncated or corrupt, or holds something that is no network.
        """
        path = Path(path)
        tensors, metadata = load_tensors(path, schema=SCHEMA)
        rest: dict[str, Any] = tensors
        try:
            if "data" in tensors:
                raise UsageError("it holds a tensor named data")
            indptr, indices, data = (tensors.pop(f"w_rec.{part}") for part in ("indptr", "indices", "data"))
            n = len(indptr) - 1
            if n < 1 or indptr[0] != 0 or indptr[-1] != len(indices) or (np.diff(indptr) < 0).any():
                raise UsageError("the row pointers of w_rec do not fit")
            w_rec = sparse.csr_array((data, indices, indptr), shape=(n, n))
            return cls(w_rec=w_rec, dt_s=metadata["dt_s"], tau_s=metadata["tau_s"], info=metadata["info"], **rest)
        except (KeyError, TypeError, ValueError, UsageError) as error:
            raise UsageError(
                f"cannot read {path}: it does not hold a valid network ({error}); make it again"
            ) from error
