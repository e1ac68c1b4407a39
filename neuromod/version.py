"""The version of neuromod."""

__version__ = "0.2.0"
