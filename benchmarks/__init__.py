"""Measurements, each a program of its own: ``python -m benchmarks.commits``, ``python -m benchmarks.recovery``."""
