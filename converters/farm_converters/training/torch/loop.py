"""The training loop: schedule, warm-up, autocast, clipping, early stopping, best weights, checkpoints.

An epoch's randomness comes from (seed, step, phase, epoch) alone, so a run that was killed and resumed from
its checkpoint computes what an undisturbed one does.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError
from farm_converters.training import schedule
from farm_converters.training.context import Context as Shared
from farm_converters.training.contract import diverged, user_code
from farm_converters.training.torch import judge
from farm_converters.training.torch.data import Split

Network = Any
Objective = Callable[[Network, tuple[Any, ...], Any], Any]


Context = Shared[Split]


def fit(
    network: Network,
    train: Mapping[str, Any],
    context: Context,
    *,
    objective: Objective | None = None,
    on_epoch: Callable[[Network, int], None] | None = None,
) -> None:
    """Train ``network`` in place and leave the best weights by the validation metric in it.

    ``objective(network, inputs, labels)`` -> loss; without it the recipe's. ``on_epoch(network, epoch)`` is
    called before each epoch, the first is 1. Raises JobError train.diverged, train.user-code, train.device.
    """
    import torch

    path = context.step_dir / f"checkpoint-{context.phase}.pt"
    context.phase += 1
    state = _load(path)
    if state is not None:
        context.went_on(state["epochs"])
    if state is None or not state["done"]:
        torch.set_num_threads(int(train["threads"]))
        _Loop(network, train, context, objective, on_epoch, path).run(state)
        state = _load(path)
        assert state is not None  # noqa: S101 - the loop wrote it
    _restore(network, state["best"], context)
    context.epochs.extend(state["epochs"])


class _Loop:
    def __init__(
        self,
        network: Network,
        train: Mapping[str, Any],
        context: Context,
        objective: Objective | None,
        on_epoch: Callable[[Network, int], None] | None,
        path: Path,
    ) -> None:
        import torch

        self.network, self.train, self.context, self.path = network, train, context, path
        self.device = device_of(train)
        self.on_epoch = on_epoch
        loss = judge.loss_of(train["loss"], context.folder)
        self.objective = objective or (lambda net, xs, y: loss(judge.tensor_of(net(*xs)), y))
        self.network.to(self.device)
        self.optimizer = _optimizer(self.network, train)
        half = train["precision"] == "fp16"
        self.scaler = torch.amp.GradScaler(self.device, enabled=half)
        self.masks = _masks(self.network) if context.keep_zeros else []
        self.phase = context.phase

    def run(self, state: dict[str, Any] | None) -> None:
        """All epochs that are left, each followed by a checkpoint."""
        patience, total = int(self.train["early_stopping_patience"]), int(self.train["epochs"])
        log: list[dict[str, float]] = []
        best, best_metric, waited = _copy(self.network), None, 0
        if state is not None:
            _restore(self.network, state["now"], self.context)
            self.optimizer.load_state_dict(state["optimizer"])
            self.scaler.load_state_dict(state["scaler"])
            log, best, best_metric, waited = state["epochs"], state["best"], state["metric"], state["waited"]
        for epoch in range(len(log) + 1, total + 1):
            if patience and waited >= patience:
                break
            begun = time.monotonic()
            loss = self._epoch(epoch)
            metric = self._validate()
            if metric is not None and not math.isfinite(metric):
                raise diverged(self.context.name, epoch, 0, f"the validation metric became {metric}")
            if metric is None or schedule.is_better(self.context.metric, metric, best_metric):
                best, best_metric, waited = _copy(self.network), metric, 0
            else:
                waited += 1
            shown = {} if metric is None else {"metric": metric}
            rate = float(self.optimizer.param_groups[0]["lr"])
            log.append(
                {"epoch": epoch, "loss": loss, "lr": rate, **shown, "seconds": time.monotonic() - begun}
            )
            self._save(log, best, best_metric, waited, done=False)
            self.context.progress.tell(
                "epoch",
                step=self.context.step,
                name=self.context.name,
                epoch=epoch,
                epochs=total,
                loss=loss,
                **shown,
            )
        self._save(log, best, best_metric, waited, done=True)

    def _epoch(self, epoch: int) -> float:
        import torch

        context, train = self.context, self.train
        seed = schedule.seed_of(context.seed, context.step, self.phase, epoch)
        seed_all(seed)
        if self.on_epoch is not None:
            self.on_epoch(self.network, epoch)
        self.network.train()
        split = context.split("train")
        per_epoch = -(-len(split) // int(train["batch"]))
        total, count = 0.0, 0
        for number, (inputs, labels) in enumerate(split.batches(int(train["batch"]), seed=seed)):
            rate = schedule.learning_rate(train, (epoch - 1) * per_epoch + number, per_epoch)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            loss = self._loss(inputs, labels)
            value = float(loss.detach())
            if not torch.isfinite(loss.detach()):
                raise diverged(context.name, epoch, number + 1, f"the loss became {value}")
            self._update(loss)
            total, count = total + value * len(labels), count + len(labels)
        if not all(bool(weight.isfinite().all()) for weight in self.network.parameters()):
            raise diverged(context.name, epoch, per_epoch, "a weight became no number")
        return total / count

    def _loss(self, inputs: tuple[Any, ...], labels: Any) -> Any:  # noqa: ANN401 - tensors
        with user_code("training", self.context.folder), _autocast(self.device, self.train["precision"]):
            moved = tuple(value.to(self.device) for value in inputs)
            return self.objective(self.network, moved, labels.to(self.device))

    def _update(self, loss: Any) -> None:  # noqa: ANN401 - tensor
        import torch

        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.train["clip_norm"]:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), float(self.train["clip_norm"]))
        self.scaler.step(self.optimizer)
        self.scaler.update()
        with torch.no_grad():
            for weight, mask in self.masks:
                weight.mul_(mask)

    def _validate(self) -> float | None:
        split = self.context.splits["validation"]
        if split is None:
            return None
        with user_code("validation", self.context.folder):
            return judge.score(
                self.network, split, self.context.metric, int(self.train["batch"]), self.device
            )

    def _save(
        self, log: list[Any], best: dict[str, Any], metric: float | None, waited: int, *, done: bool
    ) -> None:
        import torch

        state = {"best": best, "metric": metric, "waited": waited, "epochs": log, "done": done}
        if not done:
            state |= {
                "now": _copy(self.network),
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
            }
        temporary = self.path.with_suffix(".part")
        torch.save(state, temporary)
        temporary.replace(self.path)


def seed_all(seed: int) -> None:
    """Seed Python, numpy and torch."""
    import random

    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def weighted_layers(network: Network) -> Iterator[tuple[str, Any]]:
    """Layers that hold most weights, by name: convolutions and fully connected ones."""
    import torch

    kinds = (torch.nn.Linear, torch.nn.modules.conv._ConvNd)  # noqa: SLF001 - the base class of all six
    for name, module in network.named_modules():
        if isinstance(module, kinds):
            yield name, module


def device_of(train: Mapping[str, Any]) -> str:
    """The device to train on. Raises JobError train.device when there is no such one."""
    import torch

    if train["device"] == "cuda" and not torch.cuda.is_available():
        raise JobError(
            "this torch sees no CUDA device",
            code="train.device",
            fix='train with device = "cpu", or name a python with a CUDA build of torch in [environment]',
        )
    return str(train["device"])


def _masks(network: Network) -> list[tuple[Any, Any]]:
    return [(module.weight, (module.weight != 0).detach()) for _, module in weighted_layers(network)]


def _autocast(device: str, precision: str) -> contextlib.AbstractContextManager[Any]:
    import torch

    if precision == "fp32":
        return contextlib.nullcontext()
    kept: contextlib.AbstractContextManager[Any] = torch.autocast(
        device, dtype=torch.bfloat16 if precision == "bf16" else torch.float16
    )
    return kept


def _optimizer(network: Network, train: Mapping[str, Any]) -> Any:  # noqa: ANN401 - torch.optim.Optimizer
    import torch

    parameters = [value for value in network.parameters() if value.requires_grad]
    common = {"lr": float(train["lr"]), "weight_decay": float(train["weight_decay"])}
    if train["optimizer"] == "sgd":
        return torch.optim.SGD(parameters, momentum=0.9, **common)
    if train["optimizer"] == "rmsprop":
        return torch.optim.RMSprop(parameters, **common)
    kind = torch.optim.AdamW if train["optimizer"] == "adamw" else torch.optim.Adam
    return kind(parameters, **common)


def _copy(network: Network) -> dict[str, Any]:
    return {key: value.detach().cpu().clone() for key, value in network.state_dict().items()}


def _load(path: Path) -> dict[str, Any] | None:
    import torch

    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001 - cut off by a full disk, say: train this phase again
        return None
    return found


def _restore(network: Network, state: Mapping[str, Any], context: Context) -> None:
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise JobError(
            f"step {context.name}: the checkpoint does not fit the network: {str(error).splitlines()[0]}",
            code="train.run-differs",
            fix="the network's code changed since the run began: choose another --out, or remove its folder",
        ) from error
