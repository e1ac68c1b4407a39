"""Which values a setting may have."""

from __future__ import annotations

from neuromod.errors import UsageError
from neuromod.training.penalties.members import FAMILY
from neuromod.training.settings import NO_LEVELS, Settings
from neuromod.trials import READOUTS

DEVICES = ("auto", "cpu", "cuda")
WIRING_COSTS = ("distance", "hops", "packets", "multicast", "energy")
STARTS = ("self", "random")
FREEZES = ("recurrent", "input", "readout")


def check(settings: Settings) -> None:
    """Raise `UsageError` for the first value that is out of range."""
    from neuromod.tasks import SEMANTICS, base_tasks

    network, wiring, training, tasks = settings.network, settings.wiring, settings.training, settings.tasks
    limits: list[tuple[str, float, float, float]] = [
        ("network.neurons", network.neurons, 2, 65536),
        ("network.noise", network.noise, 0, 10),
        ("tasks.dt_ms", tasks.dt_ms, 1, 1000),
        ("tasks.counts", tasks.counts, 0, 15),
        ("tasks.first", tasks.first, 0, 1),
        ("network.tau_ms", network.tau_ms, settings.dt_ms, 1e6),
        ("wiring.strength", wiring.strength, 0, 1e6),
        ("wiring.layer_spacing", wiring.layer_spacing, 0, 1e3),
        ("wiring.ramp_from", wiring.ramp_from, 0, 1),
        ("wiring.ramp_to", wiring.ramp_to, wiring.ramp_from, 1),
        ("wiring.bias_from", wiring.bias_from, 0, 1),
        ("wiring.swap_every", wiring.swap_every, 0, 1e9),
        ("wiring.reach", wiring.reach, 0, 1e6),
        ("training.steps", training.steps, 1, 1e9),
        ("training.batch", training.batch, 1, 1e6),
        ("training.learning_rate", training.learning_rate, 1e-9, 1),
        ("training.warmup", training.warmup, 0, 1),
        ("training.decay", training.decay, 0, 1),
        ("training.carry", training.carry, 0, 1),
        ("training.clip", training.clip, 1e-9, 1e9),
        ("training.response_weight", training.response_weight, 1e-9, 1e6),
        ("training.label_smoothing", training.label_smoothing, 0, 0.99),
        ("training.log_every", training.log_every, 1, 1e9),
        ("training.checkpoint_every", training.checkpoint_every, 1, 1e9),
        ("training.test_trials", training.test_trials, 1, 1e6),
        ("training.threads", training.threads, 1, 1024),
        ("chip.neurons_per_core", settings.chip.neurons_per_core, 0, 65536),
        ("chip.weight_bits", settings.chip.weight_bits, 0, 32),
        ("chip.spikes", settings.chip.spikes, 0, NO_LEVELS),
        ("data.counts", settings.data.counts, 0, 15),
        ("data.dt_ms", settings.data.dt_ms, 0, 1e6),
        ("data.channels", settings.data.channels, 0, 65536),
        ("data.split_seed", settings.data.split_seed, 0, 2**63 - 1),
        ("data.input_noise", settings.data.input_noise, 0, 1e3),
        ("data.patience", settings.data.patience, 0, 1e9),
        ("seed", settings.seed, 0, 2**63 - 1),
    ]
    for key, value, low, high in limits:
        if not low <= value <= high:
            raise UsageError(f"{key} = {value:g} is out of range: needed {low:g} to {high:g}")
    choices = [
        ("wiring.regularizer", wiring.regularizer, tuple(FAMILY)),
        ("wiring.cost", wiring.cost, WIRING_COSTS),
        ("tasks.semantics", tasks.semantics, SEMANTICS),
        ("network.start", network.start, STARTS),
        ("device", settings.device, DEVICES),
        ("data.readout", settings.data.readout, ("", *READOUTS)),
        *(("start.freeze", part, FREEZES) for part in settings.start.freeze),
    ]
    for key, word, allowed in choices:
        if word not in allowed:
            raise UsageError(f"{key} = {word!r} is unknown: needed {', '.join(allowed)}")
    if wiring.cost != "distance" and wiring.regularizer != "bimt":
        raise UsageError(
            f"wiring.cost = {wiring.cost} replaces the distance of bimt; it cannot be used with {wiring.regularizer}"
        )
    if settings.chip.weight_bits == 1 or 16 < settings.chip.weight_bits < 32:
        raise UsageError(f"chip.weight_bits = {settings.chip.weight_bits}: needed 2 to 16, 32 for none, or 0")
    if tasks.ring not in (4, 8, 16):
        raise UsageError(f"tasks.ring = {tasks.ring} is unknown: needed 4, 8 or 16")
    if settings.start.freeze and not settings.start.run:
        raise UsageError("start.freeze keeps parts of a trained network; it needs one to start from")
    if not tasks.names:
        raise UsageError("tasks.names is empty: name a collection, as yang19, or tasks")
    if tasks.first and not base_tasks(tasks.names):
        raise UsageError(
            f"tasks.first = {tasks.first:g}: all of the tasks are variants, so that none can be learned first; "
            "add those that they are made from, or set it to 0"
        )
