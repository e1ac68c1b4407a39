"""The report: one HTML file that shows a run to people, complete in itself."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
