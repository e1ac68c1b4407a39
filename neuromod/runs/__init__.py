"""The run directory: where artefacts live, what made them, how a step is typed again."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
