"""Measurements of speed and memory, beside hand-written baselines: `make bench`."""
