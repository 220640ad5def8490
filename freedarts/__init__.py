"""FreeDARTS as a library: search spaces, scores, audit, costs and training. Importing it imports no torch."""

__version__ = "0.1.0"
