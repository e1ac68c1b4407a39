"""`Trials`: inputs, what is wanted, and where it is read; of tasks or of a user's own data."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
