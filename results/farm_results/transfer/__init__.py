"""Carry what a store holds to another one: directly (``merge``) or as one file (``bundle``)."""
