"""What pages are made of. Each table and chart has a name, under which the same URL gives its rows as CSV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from farm_results.finding import ACKNOWLEDGED, NEW
from farm_results.pages.chart import Chart
from farm_results.pages.grid import Grid, Link
from farm_results.pages.sections.result import Detail


@dataclass(frozen=True)
class Table:
    """``more``: the URL of its next rows; ``empty``: said where there are none."""

    kind: ClassVar[str] = "table"

    name: str
    title: str
    grid: Grid
    empty: str = "nothing yet"
    more: str = ""


@dataclass(frozen=True)
class Charted:
    """A chart; its plain table stands below it and works without JavaScript."""

    kind: ClassVar[str] = "chart"

    chart: Chart


@dataclass(frozen=True)
class Facts:
    """Names and values; a value is text, a number's text, a Link or Marks."""

    kind: ClassVar[str] = "facts"

    title: str
    rows: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Tile:
    """One thing in a strip: its name, and a word that also decides its look. ``origin``: simulated or "";
    ``note``: what else is to be known of it, in a word."""

    name: str
    word: str
    href: str = ""
    title: str = ""
    origin: str = ""
    note: str = ""


@dataclass(frozen=True)
class Strip:
    """One small tile per thing, such as the devices of the fleet: a word, never colour alone."""

    kind: ClassVar[str] = "strip"

    title: str
    tiles: tuple[Tile, ...]
    empty: str = ""


@dataclass(frozen=True)
class Count:
    """A number in large with its words; ``word`` decides the look, "" for none."""

    text: str
    label: str
    word: str = ""
    href: str = ""


@dataclass(frozen=True)
class Counts:
    """Numbers in large."""

    kind: ClassVar[str] = "counts"

    title: str
    counts: tuple[Count, ...]


@dataclass(frozen=True)
class Note:
    """Words between the rest. ``level``: info, good, warn or bad."""

    kind: ClassVar[str] = "note"

    text: str
    level: str = "info"
    link: Link | None = None


@dataclass(frozen=True)
class Command:
    """A command line to copy."""

    kind: ClassVar[str] = "command"

    title: str
    text: str


@dataclass(frozen=True)
class Field:
    """One field of a form. ``kind``: text, select or range (between ``least`` and ``most``). ``nothing``:
    what a select says where none is chosen; "": one always is."""

    name: str
    label: str
    value: str = ""
    kind: str = "text"
    choices: tuple[str, ...] = ()
    least: float = 0.0
    most: float = 0.0
    step: str = "any"
    unit: str = ""
    nothing: str = "any"


@dataclass(frozen=True)
class Filters:
    """A form that asks for the same page with other parameters; works without JavaScript. ``live``: ask as
    soon as something was changed."""

    kind: ClassVar[str] = "filters"

    path: str
    fields: tuple[Field, ...]
    button: str = "Show"
    live: bool = False


@dataclass(frozen=True)
class Links:
    """Ways on from here."""

    kind: ClassVar[str] = "links"

    links: tuple[Link, ...]
    title: str = ""


@dataclass(frozen=True)
class Detailed:
    """Everything of one result, as the report shows it."""

    kind: ClassVar[str] = "detail"

    detail: Detail

    @property
    def charts(self) -> tuple[Chart, ...]:
        """Every chart of it."""
        own = () if self.detail.layer_chart is None else (self.detail.layer_chart,)
        return (*self.detail.charts, *self.detail.extra, *own)


@dataclass(frozen=True)
class Triage:
    """A finding, and what people may make of it. ``choices``: (state, what the button says)."""

    kind: ClassVar[str] = "triage"

    finding_id: str
    headline: str
    word: str
    state: str
    origin: str
    rows: tuple[tuple[str, Any], ...]
    choices: tuple[tuple[str, str], ...] = ()

    @property
    def decided(self) -> bool:
        """Whether it waits for nobody any more."""
        return self.state not in (NEW, ACKNOWLEDGED)


Block = Table | Charted | Facts | Strip | Counts | Note | Command | Filters | Links | Detailed | Triage


@dataclass(frozen=True)
class Page:
    """``live_s``: how often a browser may ask again for what changes by itself; 0: never. ``simulated``:
    some number on it was measured by no device, which the page then says on top."""

    title: str
    blocks: tuple[Block, ...]
    simulated: bool = False
    live_s: int = 0
    subtitle: str = ""


@dataclass(frozen=True)
class Download:
    """A file instead of a page."""

    data: bytes
    media_type: str
    file_name: str


def grids_of(page: Page) -> dict[str, Grid]:
    """The rows of every table and chart of a page, by name."""
    found: dict[str, Grid] = {}
    for block in page.blocks:
        if isinstance(block, Table):
            found[block.name] = block.grid
        elif isinstance(block, Charted):
            found[block.chart.name] = block.chart.grid
        elif isinstance(block, Detailed):
            found |= {chart.name: chart.grid for chart in block.charts}
    return found
