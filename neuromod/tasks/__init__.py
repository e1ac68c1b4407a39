"""Trials of cognitive tasks, drawn and rendered for a whole batch at once."""

from neuromod.tasks.catalogue import COLLECTIONS, SEMANTICS, find, resolve
from neuromod.tasks.design import Task
from neuromod.tasks.generation import Seed, generate
from neuromod.tasks.rendering import N_CLASSES
from neuromod.trials import Trials, decisions

__all__ = [
    "COLLECTIONS",
    "N_CLASSES",
    "SEMANTICS",
    "Seed",
    "Task",
    "Trials",
    "decisions",
    "find",
    "generate",
    "resolve",
]
