"""Revisions in order. A released file never changes again."""
