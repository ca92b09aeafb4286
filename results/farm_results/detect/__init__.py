"""Detectors over a series' history: pure functions of points; the time is always handed in."""
