"""What a training is told: settings as dataclasses, with their defaults."""

from __future__ import annotations

from dataclasses import dataclass, field

# What `ChipSettings.spikes` is where rectifiers are not rounded.
NO_LEVELS = 65536


@dataclass(frozen=True)
class TaskSettings:
    """``[tasks]``: what is learned.

    Parameters
    ----------
    names : tuple of str
        A collection or names of tasks.
    semantics : str
        Meaning of the tasks, ``go-cue`` or ``neurogym-2.3``.
    dt_ms : int
        Time step in ms.
    ring : int
        Positions of the rings: 16, as published, 8 or 4.
    counts : float
        Count of input events for an input of 1, where inputs come as counts behind a chip's low-pass; 0 for inputs as
        they are. A target that takes counts sets it.
    first : float
        Share of the training in which the tasks that others are made from are learned alone, as go before its variants
        of Mod-Cog; 0 for all tasks from the start.
    by_error : float
        Share of the trials that is dealt out in proportion to the error of each task, which is measured every 512
        steps; the rest is spread evenly. It begins after `first`.
    """

    names: tuple[str, ...] = ("yang19",)
    semantics: str = "go-cue"
    dt_ms: int = 100
    ring: int = 16
    counts: float = 0.0
    first: float = 0.0
    by_error: float = 0.0


@dataclass(frozen=True)
class DataSettings:
    """``[data]``: trials of the user's own, learned instead of tasks.

    Parameters
    ----------
    file : str
        Their file, see `neuromod.data.reading`; in a run its name alone. Empty for tasks.
    sha256 : str
        SHA-256 of the file; it is refused if it has another.
    readout : str
        Where the answer is read, ``last``, ``mean`` or ``every``; empty for what suits the targets.
    dt_ms : float
        Time step of the file in ms, the bins of spikes; 0 for what the file says.
    channels : int
        Channels that the units of a file of spikes are summed into; 0 for one a unit.
    split_seed : int
        Seed of the trials that are held out where the file does not say which.
    counts : float
        Count of input events for a standard deviation of a channel that can be negative, where inputs come as counts
        behind a chip's low-pass; 0 for values as they are. A target that takes counts sets it.
    input_noise : float
        Standard deviation of noise that is added to the standardised inputs of training trials.
    balance : bool
        Whether classes weigh the same in the loss, however many trials they have.
    patience : int
        Steps without a better validation score after which training ends early, in the last phase, in which λ and all
        prices are at their height; 0 for never.
    """

    file: str = ""
    sha256: str = ""
    readout: str = ""
    dt_ms: float = 0.0
    channels: int = 0
    split_seed: int = 0
    counts: float = 0.0
    input_noise: float = 0.0
    balance: bool = False
    patience: int = 0


@dataclass(frozen=True)
class StartSettings:
    """``[start]``: the trained network that training goes on with.

    Parameters
    ----------
    run : str
        Name of its run; empty for none.
    sha256 : str
        Digest of the network.
    freeze : tuple of str
        What stays as it is: ``recurrent`` (recurrent weights and biases), ``input``, ``readout``.
    """

    run: str = ""
    sha256: str = ""
    freeze: tuple[str, ...] = ()


@dataclass(frozen=True)
class NetworkSettings:
    """``[network]``: the model.

    Parameters
    ----------
    neurons : int
        Number of neurons, on the smallest square grid that holds them.
    tau_ms : float
        Time constant in ms, at least the time step; α = dt / τ.
    start : str
        Recurrent weights before training: ``self``, self-connections of 0.5, which remember, or ``random``, normal with
        the standard deviation 1.1 / √n, which mixes: for values that depend on several inputs of the past.
    noise : float
        Standard deviation σ of the recurrent noise; √(2/α) σ is added to the drive in each step.
    """

    neurons: int = 256
    tau_ms: float = 200.0
    start: str = "self"
    noise: float = 0.05


@dataclass(frozen=True)
class WiringSettings:
    """``[wiring]``: what connections cost, and the swapping of neurons.

    Parameters
    ----------
    regularizer : str
        ``bimt``, ``l1``, ``l1-local``, ``l1-swap``, ``sernn``, ``lm-rnn`` or ``none``; see
        `neuromod.training.penalties.family`.
    cost : str
        What ``bimt`` charges: ``distance``, or what a chip charges, ``hops``, ``packets``, ``multicast`` or ``energy``;
        see `neuromod.training.penalties.packets`.
    strength : float
        λ at its full height.
    layer_spacing : float
        l0, the length that every connection has besides its distance, in sides of the grid.
    ramp_from, ramp_to : float
        λ rises linearly from 0 to `strength` between these shares of the training.
    bias_from : float
        Share of the training from which on biases cost l0, too.
    swap_every : int
        Steps between rounds of swapping; 0 for none.
    reach : float
        Longest connection of ``lm-rnn``, in pitches of the grid.
    terminals : bool
        Whether inputs lie along the left edge of the grid and readouts along the right, so that their wires have a
        length, too.
    activity : bool
        Whether traffic costs are weighted by the activity of its source.
    proximal : bool
        Whether costs are paid by a proximal step, which makes exact zeros; otherwise through the gradient.
    """

    regularizer: str = "bimt"
    cost: str = "distance"
    strength: float = 0.4
    layer_spacing: float = 0.005
    ramp_from: float = 0.3
    ramp_to: float = 0.5
    bias_from: float = 0.75
    swap_every: int = 100
    reach: float = 3.0
    terminals: bool = False
    activity: bool = True
    proximal: bool = True


@dataclass(frozen=True)
class ChipSettings:
    """``[chip]``: the cores that a network is trained for.

    Parameters
    ----------
    cores : str
        Grid of cores as ``4x4``; without it none, unless `target` or ``wiring.cost`` asks for one.
    neurons_per_core : int
        Neurons that a core holds; 0 for an even share with 5 % slack, at most what the target holds.
    target : str
        Name of a target, or path of its file, whose limits are kept; without it a mesh without limits.
    weight_bits : int
        Bits to which weights are rounded in the last phase; 0 for those of the target, 32 for no rounding.
    spikes : int
        Spikes of a neuron in a step, the levels to which rectifiers are rounded in the last phase where inputs are
        counts; 0 for those of the target, 65536 for no rounding.
    """

    cores: str = ""
    neurons_per_core: int = 0
    target: str = ""
    weight_bits: int = 0
    spikes: int = 0


@dataclass(frozen=True)
class TrainingSettings:
    """``[training]``: the optimisation.

    Parameters
    ----------
    steps : int
        Number of steps.
    batch : int
        Trials in a step.
    learning_rate : float
        Of Adam, at its height.
    warmup : float
        Share of the steps in which the learning rate rises from 0.
    decay : float
        Share of the steps, at the end, in which it falls to a hundredth along a cosine.
    carry : float
        Share of the trials that start where another trial ended instead of at rest.
    clip : float
        Largest norm of the gradient of the task loss.
    response_weight : float
        Weight in the loss of steps that ask for a response and of last steps.
    label_smoothing : float
        Share of each target that is spread over all classes. It bounds the readout and so the state, which keeps
        firing rates and rounding errors small.
    log_every : int
        Steps between lines of ``metrics.jsonl``.
    checkpoint_every : int
        Steps between checkpoints.
    test_trials : int
        Trials of each task on which the trained network's accuracy is measured.
    threads : int
        CPU threads of a step. The products are so small that a second thread gains little on an idle machine and
        loses much on a busy one; the result is bit-identical for equal numbers of threads only.
    """

    steps: int = 12000
    batch: int = 64
    learning_rate: float = 6e-3
    warmup: float = 0.02
    decay: float = 0.4
    carry: float = 0.25
    clip: float = 1.0
    response_weight: float = 20.0
    label_smoothing: float = 0.1
    log_every: int = 100
    checkpoint_every: int = 500
    test_trials: int = 200
    threads: int = 1


@dataclass(frozen=True)
class Settings:
    """Everything that decides what `neuromod train` makes."""

    tasks: TaskSettings = field(default_factory=TaskSettings)
    data: DataSettings = field(default_factory=DataSettings)
    start: StartSettings = field(default_factory=StartSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    wiring: WiringSettings = field(default_factory=WiringSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    chip: ChipSettings = field(default_factory=ChipSettings)
    seed: int = 0
    device: str = "auto"

    @property
    def dt_ms(self) -> float:
        """Time step in ms: that of the data, or of the tasks."""
        return self.data.dt_ms if self.data.file else self.tasks.dt_ms

    @property
    def counts(self) -> float:
        """Counts of input events for an input of 1, of the data or of the tasks; 0 for inputs as they are."""
        return self.data.counts if self.data.file else self.tasks.counts

    @property
    def alpha(self) -> float:
        """Share of the state that a time step replaces, dt / τ."""
        return self.dt_ms / self.network.tau_ms
