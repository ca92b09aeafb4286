"""Jobs that outlive their driver: what is written down of them, and how another driver ends them."""

from __future__ import annotations

from farm.jobs.context import JobContext
from farm.jobs.rows import JobRow, begin, done, ended, forget, started, unfinished

__all__ = ["JobContext", "JobRow", "begin", "done", "ended", "forget", "started", "unfinished"]
