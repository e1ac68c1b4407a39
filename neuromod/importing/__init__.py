"""Readers of other tools' files, one format each, found by the ending of the file's name."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
