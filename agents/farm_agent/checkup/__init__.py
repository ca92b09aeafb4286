"""Examining a device: a real inference in each runtime, one read of each sensor, what may disturb."""
