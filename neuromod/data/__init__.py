"""Trials of a user's own: their files, what is in them, and their place in a run."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
