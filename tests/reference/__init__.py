"""Slow, readable oracles: NumPy and the standard library alone, never kanml."""
