"""Trials of the user's own: read from files, checked, standardised, learned from and kept in a run."""

from neuromod.data.reading import read_trials
from neuromod.data.storage import with_data

__all__ = ["read_trials", "with_data"]
