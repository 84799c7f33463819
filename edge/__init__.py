"""The station: all that must work with no network."""

__version__ = "0.1.0"
