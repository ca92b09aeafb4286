"""What training tells people: a line now and then, with the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from farm_converters.training.recipe import TrainingRecipe

QUIET_S = 5.0


class Lines:
    """Turns a seed's events into lines. ``seeds``: how many there are in all."""

    def __init__(self, recipe: TrainingRecipe, seeds: int, say: Callable[[str], None]) -> None:
        self._say = say
        self._metric = recipe.metric
        self._seeds = seeds
        self._epochs = epochs_of(recipe)
        self._begun = time.monotonic()
        self._last = 0.0
        self._trained = 0
        self._seed, self._number, self._done = 0, 0, 0

    def seed(self, number: int, seed: int) -> None:
        """The ``number``-th seed begins, counted from 1."""
        self._number, self._seed, self._done = number, seed, 0

    def event(self, event: Mapping[str, Any]) -> None:
        """One line of a worker's progress file; what is missing in it is left out."""
        kind, head = event["event"], f"seed {self._seed} ({self._number}/{self._seeds})"
        name = event.get("name", "")
        if kind == "start" and not self._trained:
            self._begun = time.monotonic()  # what came before was imports
        elif kind == "epoch":
            self._trained += 1
            self._done += 1
            now = time.monotonic()
            if now - self._last >= QUIET_S:
                self._last = now
                self._say(
                    f"{head} {name}: epoch {event.get('epoch')}/{event.get('epochs')}, {self._state(event)}"
                )
        elif kind == "step":
            self._say(f"{head} {name}: done, {self._metric} {_number(event.get('metric'))}{self._left()}")
        elif kind == "note":
            self._say(f"{head} {event.get('text', '')}")

    def _state(self, event: Mapping[str, Any]) -> str:
        metric = f", {self._metric} {_number(event['metric'])}" if "metric" in event else ""
        return f"loss {_number(event.get('loss'))}{metric}{self._left()}"

    def _left(self) -> str:
        """Epochs cost alike, so what was trained here tells the rest; early stopping only makes it
        shorter."""
        left = self._epochs * (self._seeds - self._number + 1) - self._done
        if not self._trained or left <= 0:
            return ""
        seconds = round((time.monotonic() - self._begun) / self._trained * left)
        return (
            f"; at most about {seconds} s left"
            if seconds < 120
            else f"; at most about {seconds // 60} min left"
        )


def epochs_of(recipe: TrainingRecipe) -> int:
    """The most epochs that one seed trains."""
    total = 0 if recipe.weights else recipe.train.epochs
    for step in recipe.steps:
        total += step.train.epochs * int(getattr(step.parameters, "rounds", 1))
        if step.technique == "distil" and not recipe.teacher_weights:
            total += recipe.train.epochs
    return total


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else "-"
