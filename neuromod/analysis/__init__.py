"""Functional clusters and modules, where they lie, and what each is beside chance."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
