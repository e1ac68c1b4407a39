"""What a training run is done with, decided once before its first step."""

from __future__ import annotations

from dataclasses import dataclass

from neuromod.geometry import Plane
from neuromod.training.on_cores import plan as chip
from neuromod.training.on_cores.plan import Chip
from neuromod.training.settings import Settings


@dataclass(frozen=True)
class Phases:
    """When a training for cores does what it does besides gradient steps.

    Parameters
    ----------
    last : float
        Share of the training from which weights are rounded to the bits of a chip, and its limits are kept in full.
    every : int
        Steps between two looks at the activity, and between two rounds in which weights beyond the limits are removed.
    """

    last: float = 0.85
    every: int = 100


@dataclass(frozen=True, eq=False)
class TrainingPlan:
    """What a training run is done with.

    Parameters
    ----------
    settings : Settings
        What to train.
    cores : Chip or None
        The cores to train for, with the target as its file was when the plan was made; None if the settings name none.
    phases : Phases
        When a training for cores does what.
    """

    settings: Settings
    cores: Chip | None
    phases: Phases = Phases()

    @property
    def plane(self) -> Plane:
        """Where the neurons lie."""
        return Plane.square(self.settings.network.neurons) if self.cores is None else self.cores.plane


def make_plan(settings: Settings, *, neurons_per_core: int | None = None) -> TrainingPlan:
    """Read the target, decide on the cores.

    Parameters
    ----------
    settings : Settings
        What to train.
    neurons_per_core : int, optional
        What a core holds in a run that goes on; as the settings say if omitted.

    Raises
    ------
    UsageError
        If the grid or the target cannot be used.
    DoesNotFitError
        If the neurons do not fit the cores.
    """
    return TrainingPlan(settings, chip.of_settings(settings, neurons_per_core=neurons_per_core))
