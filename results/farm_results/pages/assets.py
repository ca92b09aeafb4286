"""Styles and scripts that stand inside a page, and the policy that lets them run and nothing else."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from farm_results.pages.environment import static_text

if TYPE_CHECKING:
    from markupsafe import Markup


def inline(library: str) -> dict[str, str | Markup]:
    """What ``report.html`` puts into itself: ``styles``, ``library``, ``script``, and their ``policy``."""
    from markupsafe import Markup

    styles, script = static_text("style.css"), static_text("page.js")
    whole = static_text(f"vendor/{library}.min.js")
    allowed = " ".join(map(source, (whole, script)))
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src {source(styles)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    # The files of this package, not anything foreign.
    return {
        "styles": Markup(styles),  # noqa: S704
        "library": Markup(whole),  # noqa: S704
        "script": Markup(script),  # noqa: S704
        "policy": Markup(policy),  # noqa: S704
    }


def source(text: str) -> str:
    """The hash of an element's text, as a Content-Security-Policy names it."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
