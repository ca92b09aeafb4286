"""The templates, with everything escaped, and what they may call."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import TYPE_CHECKING, Any

from farm_results.pages import STATIC, TEMPLATES, cells, filters

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


@cache
def environment() -> Environment:
    """One environment for all pages. A name that is not there is an error, not an empty string."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,  # a server that runs while farm is updated keeps the templates that fit its code
    )
    made.filters |= {
        "ns": filters.ns,
        "bytes": filters.bytes_text,
        "joules": filters.joules,
        "watts": filters.watts,
        "share": filters.share,
        "change": filters.change,
        "when": filters.when,
        "foreign": filters.foreign,
        "cell": filters.cell,
        "plain": filters.plain_number,
        "data": data,
        "html": cells.cell_html,
        "rows": cells.rows_html,
        "bare_rows": cells.bare_rows_html,
    }
    return made


def render(template: str, **values: Any) -> str:  # noqa: ANN401 - what the template asks for
    """A page or a part of one."""
    return environment().get_template(template).render(**values)


def data(value: Any) -> Markup:  # noqa: ANN401 - JSON values
    """JSON to stand inside a script element of type application/json: nothing in it ends the element.

    NaN and infinities become null: JSON has neither.
    """
    from markupsafe import Markup

    text = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704 - escaped above


def static_text(name: str) -> str:
    """One of farm's own files of styles or scripts, to stand in a page."""
    return (STATIC / name).read_text(encoding="utf-8")


def _finite(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return value
