"""The colours of pages can be read: text at 4.5 to 1, what is drawn at 3 to 1 (WCAG 2.2, 1.4.3, 1.4.11)."""

from __future__ import annotations

import itertools
import re

import pytest

from farm_results.pages.environment import static_text

GROUNDS, WORDS = ("ground", "surface"), ("good", "warn", "hot", "bad", "made-up")


def palettes() -> dict[str, dict[str, str]]:
    """The colours of each mode by name; the dark one takes over what it does not name."""
    blocks = re.findall(r":root[^{]*\{([^}]*)\}", static_text("style.css"))
    found = [dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})\b", block)) for block in blocks]
    return {"light": found[0], "dark": found[0] | found[1]}


def luminance(colour: str) -> float:
    """As WCAG defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ratio(one: str, other: str) -> float:
    """From 1 (the same) to 21 (black on white)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_every_colour_of_text_can_be_read_on_its_ground(mode: str) -> None:
    """Words on the page and on cards, marks on their own ground, names on areas, the edges of fields."""
    own = palettes()[mode]
    texts = [*itertools.product(("ink", "dim", "accent", *WORDS), GROUNDS)]
    texts += [(word, f"{word}-ground") for word in WORDS] + [("dim", "unknown-ground"), ("ground", "accent")]
    texts += [(f"on-s{index}", f"s{index}") for index in range(8)]
    drawn = [*itertools.product((*(f"s{index}" for index in range(8)), "edge"), GROUNDS[:1])]
    drawn.append(("edge", "surface"))
    bad = {(a, b): round(ratio(own[a], own[b]), 2) for a, b in texts if ratio(own[a], own[b]) < 4.5}
    bad |= {(a, b): round(ratio(own[a], own[b]), 2) for a, b in drawn if ratio(own[a], own[b]) < 3}
    assert not bad
    assert round(ratio("#000000", "#ffffff"), 2) == 21
