"""Nights: measure what changed, compare with what was, and tell regression from weather."""
