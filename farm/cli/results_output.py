"""Results on standard output, the reasons behind their verdicts on standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from farm.cli.output import is_quiet, print_table, print_text, say_sentence

if TYPE_CHECKING:
    from farm_results.comparison import Comparison
    from farm_results.model import Result

LAYOUTS = ("table", "json", "csv", "md")


def show_comparisons(made: Sequence[Comparison], layout: str) -> None:
    """The same for comparisons in turns."""
    from farm_results.report import compared
    from farm_results.view import versus

    if layout != "table":
        print_text(compared.render(layout, made))
        return
    headings = versus.columns(made)
    print_table([*headings], [versus.row(each) for each in made], title="In turns", align=headings)
    for each in made:
        for line in versus.caveat_lines(each):
            say_sentence(f"{each.device} {line}" if len(made) > 1 else line)


def show_results(results: Sequence[Result], layout: str, *, title: str = "Results") -> None:
    """Print results as one of ``LAYOUTS``; a table is followed by why numbers are not simply valid."""
    from farm_results import report
    from farm_results.layers import layer_lines
    from farm_results.report.caveats import lines_of_caveats
    from farm_results.report.rows import table_of

    if layout != "table":
        print_text(report.render(layout, results))
        return
    table = table_of(results, brief=sys.stdout.isatty() and not is_quiet())
    models = {result.model for result in results}
    if len(models) == 1:
        title = f"{title} · {models.pop()}"
    print_table(
        table.columns, table.rows, title=title, align=dict(zip(table.columns, table.align, strict=True))
    )
    for line in lines_of_caveats(results):
        say_sentence(line)
    for result in results:
        for line in layer_lines(result):
            say_sentence(f"{result.device} {result.runtime} {line}" if len(results) > 1 else line)
