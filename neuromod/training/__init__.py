"""Training: settings, the loop, what wiring costs, swaps of neurons, and the cores that it trains for."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
