"""Random placements that are refused, and what comes of following the advice of the refusal to its end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import neuromod
from neuromod import Network
from neuromod.errors import Advice, DoesNotFitError, UsageError
from neuromod.hardware.target_files import load_target, target_names
from neuromod.hardware.targets import Figure, Target
from neuromod.mapping.problem import Effort
from neuromod.mapping.search import choose_grid

PLACERS = ("annealing", "annealing", "annealing", "bisection", "hilbert", "tiles", "shuffled")

# Refusals after one another until it is a loop.
MOST = 5


@dataclass(frozen=True, eq=False)
class Question:
    """A network and where it is to go."""

    network: Network
    target: Target
    options: dict[str, Any]

    def place(self) -> Any:
        return neuromod.place(self.network, target=self.target, effort=Effort(0.05), **self.options)


def random_question(seed: int, *, most: int = 120) -> Question:
    """Draw a network, often with hubs, many channels or no readout, and a target, shipped or made up, on a grid."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, most))
    density = float(rng.choice([0.02, 0.1, 0.3, 1.0]))
    there = rng.random((n, n)) < density
    for hub in rng.integers(0, n, int(rng.integers(0, 3))):
        (there if rng.random() < 0.5 else there.T)[hub] = True
    weights = rng.normal(size=(n, n)) if rng.random() < 0.8 else np.ones((n, n))
    network = _network(rng, there, weights, int(rng.choice([0, 1, 5, 40])))
    target = load_target(str(rng.choice(target_names()))) if rng.random() < 0.3 else _target(rng, n)
    options: dict[str, Any] = {"placer": str(rng.choice(PLACERS)), "seed": int(rng.integers(4))}
    if rng.random() < 0.7:
        options["cores"] = (int(rng.integers(1, 5)), int(rng.integers(1, 5)))
    if rng.random() < 0.3:
        cores = choose_grid(target, options.get("cores")).cores
        options["neurons_per_core"] = int(min(max(1, rng.uniform(0.5, 1.5) * n / cores), target.limit("neurons")))
    return Question(network, target, options)


def _network(rng: np.random.Generator, there: Any, weights: Any, n_in: int) -> Network:
    n, n_out = len(there), int(rng.choice([0, 2, 2, 2]))
    w_in = rng.normal(size=(n, n_in)) * (rng.random((n, n_in)) < rng.choice([0.1, 1.0]))
    return Network(
        w_rec=weights * there, w_in=w_in, w_out=rng.normal(size=(n_out, n)), bias=np.zeros(n),
        bias_out=np.zeros(n_out), dt_s=0.1, tau_s=0.1,
    )  # fmt: skip


def _target(rng: np.random.Generator, n: int) -> Target:
    """Make up a target with some limits about what such a network needs."""
    figures: dict[str, float] = {"weight_bits": 8, "index_bits": 8}
    if rng.random() < 0.7:
        figures |= {name: int(rng.integers(1, 5)) for name in ("chip_rows", "chip_columns", "max_chips")}
    for name, scale in (
        ("neurons", n / 4), ("synapses", n * n / 20), ("synapse_memory_bits", n * n), ("in_axons", n / 2),
        ("out_axons", n / 2), ("fan_in", n / 4), ("fan_out", n / 4), ("destinations", 4), ("router_entries", 16),
    ):  # fmt: skip
        if rng.random() < 0.3:
            figures[name] = max(int(rng.uniform(0.3, 3) * scale), 16 if name == "synapse_memory_bits" else 1)
    return Target(
        name="made up", title="Made up", about="Random.", local_axons=bool(rng.random() < 0.3),
        routing=str(rng.choice(["unicast", "multicast"])),  # type: ignore[arg-type]
        destination="chip" if "chip_rows" in figures and rng.random() < 0.3 else "core",
        figures={name: Figure(float(value), "chosen", "random") for name, value in figures.items()},
    )  # fmt: skip


def follow(question: Question, advice: Advice) -> Question:
    """Do all that an advice says."""
    for step in advice.steps:
        if step.kind == "keep":
            network = neuromod.prune(question.network, keep=step.value).network  # type: ignore[arg-type]
            question = replace(question, network=network)
        else:
            question = replace(question, options={**question.options, step.kind: step.value})
    return question


def ends(question: Question) -> list[tuple[str, str]] | None:
    """Follow every advice of a refusal to its end: its kinds, and ``fits``, ``nothing``, ``loop`` or ``dead end``.

    None for a question that is not refused. A dead end is a refusal of something advised, or one without a reason.
    """
    try:
        question.place()
    except DoesNotFitError as error:
        return [_end(question, advice) for advice in error.advice] or [("none", "dead end")]
    except UsageError:
        return None
    return None


def _end(question: Question, advice: Advice) -> tuple[str, str]:
    kinds = " and ".join(step.kind for step in advice.steps)
    seen = []
    for _ in range(MOST):
        if advice.kind == "nothing":
            reasoned = len(str(advice.value)) > 0 and not seen
            return kinds, "nothing" if reasoned else "dead end"
        seen.append(advice)
        try:
            question = follow(question, advice)
            question.place()
        except DoesNotFitError as error:
            if not error.advice:
                return kinds, "dead end"
            advice = error.advice[0]
        except UsageError:
            return kinds, "dead end"
        else:
            return kinds, "fits" if len(seen) == 1 else "fits later"
    return kinds, "loop"
