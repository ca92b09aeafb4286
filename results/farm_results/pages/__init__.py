"""What the report and the dashboard share: templates, styles, charts and tables of results as pages.

Everything that a store or a device says is text from outside: templates escape always, and a cell links only
to addresses that farm itself made.
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent
STATIC = HERE / "static"
TEMPLATES = HERE / "templates"
