"""The parameters of each technique, as a recipe's ``[[steps]]`` spells them.

Every class checks its own values: ``faults()`` yields "key: what is wrong" for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

SCHEDULES = ("constant", "cosine", "step")
PRECISIONS = ("fp32", "bf16", "fp16")
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")
LOSSES = ("auto", "cross_entropy", "mse", "mae")
DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class Train:
    """The training loop. ``lr`` is the peak that ``warmup_steps`` batches rise to; then the schedule.

    ``step``: times ``step_factor`` every ``step_epochs``. ``early_stopping_patience``: epochs without a
    better validation metric after which it ends; 0: never. ``clip_norm``: of all gradients together; 0: none.
    ``precision``: of autocast; the weights stay fp32. ``loss``: "auto" is cross-entropy for whole labels and
    mean squared error for others; or a user's ``module:function`` (outputs, labels) -> scalar.
    """

    epochs: int = 10
    batch: int = 32
    optimizer: str = "adam"
    lr: float = 1e-3
    loss: str = "auto"
    schedule: str = "constant"
    step_epochs: int = 10
    step_factor: float = 0.1
    warmup_steps: int = 0
    early_stopping_patience: int = 0
    precision: str = "fp32"
    clip_norm: float = 0.0
    weight_decay: float = 0.0
    device: str = "cpu"
    threads: int = 1

    def faults(self) -> Iterator[str]:
        yield from _in("optimizer", self.optimizer, OPTIMIZERS)
        yield from _in("schedule", self.schedule, SCHEDULES)
        yield from _in("precision", self.precision, PRECISIONS)
        yield from _in("device", self.device, DEVICES)
        if ":" not in self.loss:
            yield from _in("loss", self.loss, LOSSES)
        if not 0 <= self.epochs <= 100_000:
            yield f"epochs: expected 0 to 100000, got {self.epochs}"
        for name in ("batch", "step_epochs", "threads"):
            yield from _above(name, getattr(self, name), 0)
        yield from _above("lr", self.lr, 0)
        yield from _above("step_factor", self.step_factor, 0)
        for name in ("warmup_steps", "early_stopping_patience", "clip_norm", "weight_decay"):
            if not 0 <= getattr(self, name) < float("inf"):
                yield f"{name}: expected 0 or more, got {getattr(self, name)}"


@dataclass(frozen=True)
class Finetune:
    """Train on: ``[steps.train]`` says how."""

    technique: ClassVar[str] = "finetune"

    def faults(self) -> Iterator[str]:
        yield from ()


@dataclass(frozen=True)
class Prune:
    """Remove weights by magnitude, then train what is left.

    ``structured``: whole channels go and the graph becomes smaller (torch only). Unstructured: single weights
    become zero, which only a compressed file is smaller for. ``sparsity``: share that goes, of all weights or
    of each layer's channels. ``rounds``: reached in so many equal parts with training after each. ``keep``:
    glob patterns of layers left as they are.
    """

    technique: ClassVar[str] = "prune"
    sparsity: float = 0.5
    structured: bool = False
    rounds: int = 1
    keep: tuple[str, ...] = ()

    def faults(self) -> Iterator[str]:
        if not 0.0 < self.sparsity < 1.0:
            yield f"sparsity: expected more than 0 and less than 1, got {self.sparsity}"
        if not 1 <= self.rounds <= 100:
            yield f"rounds: expected 1 to 100, got {self.rounds}"


@dataclass(frozen=True)
class Cluster:
    """Let the weights of each layer share ``clusters`` values (keras only).

    ``preserve_sparsity``: zeros of an earlier prune step stay zeros.
    """

    technique: ClassVar[str] = "cluster"
    clusters: int = 16
    preserve_sparsity: bool = False
    keep: tuple[str, ...] = ()

    def faults(self) -> Iterator[str]:
        if not 2 <= self.clusters <= 4096:
            yield f"clusters: expected 2 to 4096, got {self.clusters}"


@dataclass(frozen=True)
class Qat:
    """Train with int8 rounding in the forward pass; ends in a graph that carries its scales (QDQ).

    ``preserve``: what of earlier steps the training must keep: "none", "sparsity", "clusters" or both
    ("sparsity+clusters"); keras only. ``keep``: layers that stay in floats.
    ``calibration_samples``: of the training split, that the first ranges come from (torch).
    ``activations``: "u8" affine, or "s8" symmetric, as TensorRT wants (torch).
    """

    technique: ClassVar[str] = "qat"
    preserve: str = "none"
    keep: tuple[str, ...] = ()
    calibration_samples: int = 256
    activations: str = "u8"

    def faults(self) -> Iterator[str]:
        yield from _in("preserve", self.preserve, ("none", "sparsity", "clusters", "sparsity+clusters"))
        yield from _in("activations", self.activations, ("u8", "s8"))
        yield from _above("calibration_samples", self.calibration_samples, 0)


@dataclass(frozen=True)
class Distil:
    """Train a student on the softened outputs of the recipe's ``teacher``.

    Loss = ``alpha`` * T² * KL(teacher/T, student/T) + (1 - ``alpha``) * the loss on labels (Hinton, Vinyals,
    Dean 2015). ``student``: a model of its own, by import path; "": the model of the step before.
    """

    technique: ClassVar[str] = "distil"
    temperature: float = 4.0
    alpha: float = 0.5
    student: str = ""

    def faults(self) -> Iterator[str]:
        yield from _above("temperature", self.temperature, 0)
        if not 0.0 <= self.alpha <= 1.0:
            yield f"alpha: expected 0 to 1, got {self.alpha}"


Parameters = Finetune | Prune | Cluster | Qat | Distil
TECHNIQUES: Mapping[str, type[Parameters]] = {
    kind.technique: kind for kind in (Finetune, Prune, Cluster, Qat, Distil)
}


@dataclass(frozen=True)
class Step:
    """One technique, its parameters, and the training loop it uses (``[train]`` with the step's changes)."""

    technique: str
    parameters: Parameters
    train: Train
    name: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)


def _in(name: str, value: str, words: tuple[str, ...]) -> Iterator[str]:
    if value not in words:
        yield f"{name}: expected one of {', '.join(words)}, got {value!r}"


def _above(name: str, value: float, bound: float) -> Iterator[str]:
    if not bound < value < float("inf"):
        yield f"{name}: expected more than {bound}, got {value}"
