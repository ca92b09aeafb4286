"""Alembic runs this file; ``farm_results.storage.upgrade`` hands it the connection."""

from __future__ import annotations

from alembic import context

from farm_results.storage.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
