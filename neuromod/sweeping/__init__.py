"""Sweeps: a grid of trainings, each a process of its own that fills a run directory, and one table of them all."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
