"""Sweeps: a grid of trainings, each a process of its own that fills a run directory, and one table of them all."""

from __future__ import annotations

from neuromod.sweeping.plan import Plan as Plan
from neuromod.sweeping.plan import Trial as Trial
from neuromod.sweeping.plan import make_plan as make_plan
from neuromod.sweeping.plan import read_plan as read_plan
from neuromod.sweeping.trial import Outcome as Outcome
