"""Alembic's scripts: one file in ``versions`` per change of the schema, applied when a store is opened."""

HEAD = "0005"
"""The revision this version of farm writes. A test compares it with the newest script."""
