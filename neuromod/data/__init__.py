"""Trials of the user's own: read from files, checked, standardised, learned from and kept in a run."""

from neuromod.data.reading import read_trials

__all__ = ["read_trials"]
