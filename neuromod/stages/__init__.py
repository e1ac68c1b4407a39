"""The steps of a run directory: each reads artefacts, calls the library, writes artefacts and records what it did."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
