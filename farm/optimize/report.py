"""Before and after: every step beside the baseline, with every seed's value."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm.version import __version__
from farm_converters.training.recipe import TrainingRecipe
from farm_results.text import threads_text

SCHEMA = "farm.optimize/1"
COLUMNS = (
    "step",
    "technique",
    "parameters",
    "bytes",
    "compressed",
    "metric",
    "per seed",
    "target",
    "p50 us",
    "accuracy there",
)


@dataclass(frozen=True)
class StepReport:
    """One step over all seeds. ``metric`` by seed is the framework's, on the test split."""

    step: int
    name: str
    technique: str
    settings: Mapping[str, Any]
    metric: Mapping[int, float]
    parameters: Mapping[int, int]
    nonzero: Mapping[int, int]
    size_bytes: Mapping[int, int]
    compressed_bytes: Mapping[int, int]
    files: Mapping[int, str]
    train_s: Mapping[int, float]
    notes: tuple[str, ...]
    measured: tuple[Mapping[str, Any], ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.metric.values())

    @property
    def stdev(self) -> float | None:
        """Sample standard deviation over the seeds; None for one seed."""
        return statistics.stdev(self.metric.values()) if len(self.metric) > 1 else None


def document(
    recipe: TrainingRecipe, steps: Sequence[StepReport], versions: Mapping[str, str], test: Mapping[str, Any]
) -> dict[str, Any]:
    """The report as JSON values."""
    from farm_agent import codec

    items = []
    for step in steps:
        item = codec.encode(step)
        items.append({**item, "metric_mean": step.mean, "metric_stdev": step.stdev})
    return {
        "schema": SCHEMA,
        "name": recipe.name,
        "framework": recipe.framework,
        "recipe_sha256": recipe.training_sha256,
        "seeds": list(recipe.seeds),
        "metric": recipe.metric,
        "versions": dict(versions),
        "farm_version": __version__,
        "test": dict(test),
        "steps": items,
    }


def rows(recipe: TrainingRecipe, steps: Sequence[StepReport]) -> list[tuple[str, ...]]:
    """A row per step and target, in the columns of COLUMNS; the change against the baseline in brackets."""
    first = steps[0]
    found: list[tuple[str, ...]] = []
    for step in steps:
        head = (
            step.name,
            step.technique,
            _change(_middle(step.parameters), _middle(first.parameters), step is first),
            _change(_middle(step.size_bytes), _middle(first.size_bytes), step is first),
            _change(_middle(step.compressed_bytes), _middle(first.compressed_bytes), step is first),
            f"{recipe.metric} {step.mean:.4f}" + (f" ± {step.stdev:.4f}" if step.stdev is not None else ""),
            " ".join(f"{value:.4f}" for value in step.metric.values()),
        )
        targets = _targets(step.measured)
        found += [(*head, *_cells(name, group, first)) for name, group in targets.items()] or [
            (*head, "-", "-", "-")
        ]
    return found


def markdown(recipe: TrainingRecipe, steps: Sequence[StepReport], versions: Mapping[str, str]) -> str:
    """The report for people."""
    by = ", ".join(f"{name} {version}" for name, version in versions.items())
    seeds = ", ".join(str(seed) for seed in recipe.seeds)
    lines = [
        f"# {recipe.name}",
        "",
        f"{recipe.framework} ({by}), seeds {seeds}. In brackets: times the baseline.",
        "",
    ]
    lines += [_line(COLUMNS), _line(["---"] * len(COLUMNS))]
    lines += [_line(row) for row in rows(recipe, steps)]
    notes = [f"- {step.name}: {note}" for step in steps for note in step.notes]
    failed = [
        f"- {step.name} on {row['device']} with {row['runtime']}: {row['error_code']}: {row['error_message']}"
        for step in steps
        for row in step.measured
        if row["status"] != "ok"
    ]
    return "\n".join([*lines, "", *notes, *failed]).rstrip() + "\n"


def write(folder: Path, found: Mapping[str, Any], text: str) -> None:
    """report.json and report.md in the run's folder."""
    from farm_converters.training.contract import write_json

    write_json(folder / "report.json", found)
    (folder / "report.md").write_text(text)


def _targets(measured: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Rows of all seeds by "device runtime precision", and threads where a target has several numbers."""
    groups: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for row in measured:
        name = f"{row['device']} {row['runtime']} {row['precision']}"
        groups.setdefault((name, row["threads"]), []).append(row)
    often = Counter(name for name, _ in groups)
    return {
        name if often[name] == 1 else f"{name} {threads_text(threads)}": rows
        for (name, threads), rows in groups.items()
    }


def _cells(name: str, group: Sequence[Mapping[str, Any]], first: StepReport) -> tuple[str, str, str]:
    """Target, median latency over seeds with its ratio to the baseline there, accuracy there."""
    times = [float(row["p50_ns"]) for row in group if row["p50_ns"] is not None]
    if not times:
        return name, str(group[0]["error_code"]) or "-", "-"
    here = (group[0]["device"], group[0]["runtime"], group[0]["threads"])
    before = [
        float(row["p50_ns"])
        for row in first.measured
        if (row["device"], row["runtime"], row["threads"]) == here
        and row["precision"] == "fp32"
        and row["p50_ns"]
    ]
    p50 = statistics.median(times)
    ratio = f" ({p50 / statistics.median(before):.2f})" if before else ""
    words = {row["verdict"] for row in group} - {"valid", ""}
    accuracies = [row["accuracy"] for row in group if row["accuracy"] is not None]
    told = " ".join(f"{value:.4f}" for value in accuracies) or "-"
    return name, f"{p50 / 1000:.1f}{ratio}{' ' + '/'.join(sorted(words)).upper() if words else ''}", told


def _middle(values: Mapping[int, int]) -> float:
    return statistics.median(values.values())


def _change(value: float, before: float, is_first: bool) -> str:  # noqa: FBT001
    return f"{value:.0f}" if is_first or not before else f"{value:.0f} ({value / before:.2f})"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
