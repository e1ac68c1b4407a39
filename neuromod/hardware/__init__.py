"""What a chip is, without neurons placed on it: targets, grids, routes, packets, resources."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
