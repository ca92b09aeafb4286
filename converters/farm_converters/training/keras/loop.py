"""The training loop: schedule, warm-up, clipping, early stopping, best weights, checkpoints.

An epoch's randomness comes from (seed, step, phase, epoch) alone, so a run that was killed and resumed from
its checkpoint computes what an undisturbed one does.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError
from farm_converters.training import schedule
from farm_converters.training.context import Context as Shared
from farm_converters.training.contract import diverged, user_code
from farm_converters.training.keras import judge
from farm_converters.training.keras.data import Split

Network = Any
Objective = Callable[[Network, tuple[Any, ...], Any], Any]


@dataclass(kw_only=True)
class Context(Shared[Split]):
    """``build``: the network of this step anew, untrained. ``probabilities``: it ends in a softmax."""

    build: Callable[[], Network]
    probabilities: bool = False


def fit(
    network: Network,
    train: Mapping[str, Any],
    context: Context,
    *,
    objective: Objective | None = None,
    on_epoch_end: Callable[[], None] = lambda: None,
) -> None:
    """Train ``network`` in place and leave the best weights by the validation metric in it.

    ``objective(network, inputs, labels)`` -> loss; without it the recipe's. ``on_epoch_end`` is called before
    each validation. Raises JobError train.diverged, train.user-code.
    """
    path = context.step_dir / f"checkpoint-{context.phase}.npz"
    context.phase += 1
    state = _load(path)
    if state is not None:
        context.went_on(state["epochs"])
    if state is None or not state["done"]:
        _Loop(network, train, context, objective, on_epoch_end, path).run(state)
        state = _load(path)
        assert state is not None  # noqa: S101 - the loop wrote it
    set_weights(network, state["best"], context)
    context.epochs.extend(state["epochs"])


class _Loop:
    def __init__(
        self,
        network: Network,
        train: Mapping[str, Any],
        context: Context,
        objective: Objective | None,
        on_epoch_end: Callable[[], None],
        path: Path,
    ) -> None:
        self.network, self.train, self.context, self.path = network, train, context, path
        self.on_epoch_end, self.phase = on_epoch_end, context.phase
        loss = judge.loss_of(train["loss"], context.folder, probabilities=context.probabilities)
        self.objective = objective or (lambda net, xs, y: loss(call(net, xs), y))
        self.optimizer = _optimizer(train)
        self.optimizer.build(network.trainable_variables)
        self.masks = zeros_of(network) if context.keep_zeros else []
        self.update = self._compiled()

    def run(self, state: dict[str, Any] | None) -> None:
        """All epochs that are left, each followed by a checkpoint."""
        patience, total = int(self.train["early_stopping_patience"]), int(self.train["epochs"])
        log: list[dict[str, float]] = []
        best, best_metric, waited = self.network.get_weights(), None, 0
        if state is not None:
            set_weights(self.network, state["now"], self.context)
            for variable, value in zip(self._slots(), state["optimizer"], strict=True):
                variable.assign(value)
            log, best, best_metric, waited = state["epochs"], state["best"], state["metric"], state["waited"]
        for epoch in range(len(log) + 1, total + 1):
            if patience and waited >= patience:
                break
            begun = time.monotonic()
            loss = self._epoch(epoch)
            self.on_epoch_end()
            metric = self._validate()
            if metric is not None and not math.isfinite(metric):
                raise diverged(self.context.name, epoch, 0, f"the validation metric became {metric}")
            if metric is None or schedule.is_better(self.context.metric, metric, best_metric):
                best, best_metric, waited = self.network.get_weights(), metric, 0
            else:
                waited += 1
            shown = {} if metric is None else {"metric": metric}
            rate = float(self.optimizer.learning_rate.numpy())
            seconds = time.monotonic() - begun
            log.append({"epoch": epoch, "loss": loss, "lr": rate, **shown, "seconds": seconds})
            self._save(log, best, best_metric, waited, done=False)
            context = self.context
            context.progress.tell(
                "epoch", step=context.step, name=context.name, epoch=epoch, epochs=total, loss=loss, **shown
            )
        self._save(log, best, best_metric, waited, done=True)

    def _epoch(self, epoch: int) -> float:
        context, train = self.context, self.train
        seed = schedule.seed_of(context.seed, context.step, self.phase, epoch)
        seed_all(seed)
        if not _reseed(self.network, seed):  # other random operators are seeded when they are traced
            self.update = self._compiled()
        split = context.split("train")
        per_epoch = -(-len(split) // int(train["batch"]))
        total = 0.0
        for number, (inputs, labels) in enumerate(split.batches(int(train["batch"]), seed=seed)):
            rate = schedule.learning_rate(train, (epoch - 1) * per_epoch + number, per_epoch)
            self.optimizer.learning_rate.assign(rate)
            with user_code("training", context.folder):
                loss = float(self.update(inputs, labels))
            if not math.isfinite(loss):
                raise diverged(context.name, epoch, number + 1, f"the loss became {loss}")
            total += loss * len(labels)
        largest = [abs(value.numpy()).max(initial=0.0) for value in self.network.trainable_variables]
        if not all(math.isfinite(value) for value in largest):
            raise diverged(context.name, epoch, per_epoch, "a weight became no number")
        return total / len(split)

    def _compiled(self) -> Callable[[tuple[Any, ...], Any], Any]:
        """One step of training as a TensorFlow graph; answers the loss before it."""
        import tensorflow as tf

        clip, decay = float(self.train["clip_norm"]), float(self.train["weight_decay"])
        coupled = decay if self.train["optimizer"] != "adamw" else 0.0
        variables = self.network.trainable_variables

        @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator,unused-ignore]
        def update(inputs: tuple[Any, ...], labels: Any) -> Any:  # noqa: ANN401 - tensors
            with tf.GradientTape() as tape:
                loss = self.objective(self.network, inputs, labels)
                total = tf.add_n([loss, *self.network.losses])
            found = tape.gradient(total, variables)
            pairs = [(grad, value) for grad, value in zip(found, variables, strict=True) if grad is not None]
            grads = [tf.convert_to_tensor(grad) for grad, _ in pairs]
            if clip:
                grads, _ = tf.clip_by_global_norm(grads, clip)
            if coupled:
                grads = [grad + coupled * value for grad, (_, value) in zip(grads, pairs, strict=True)]
            self.optimizer.apply_gradients(zip(grads, [value for _, value in pairs], strict=True))
            for value, mask in self.masks:
                value.assign(value * mask)
            return total

        kept: Callable[[tuple[Any, ...], Any], Any] = update
        return kept

    def _validate(self) -> float | None:
        split = self.context.splits["validation"]
        if split is None:
            return None
        with user_code("validation", self.context.folder):
            return judge.score(self.network, split, self.context.metric, int(self.train["batch"]))

    def _slots(self) -> list[Any]:
        found = self.optimizer.variables
        return list(found() if callable(found) and not isinstance(found, list) else found)

    def _save(
        self, log: list[Any], best: list[Any], metric: float | None, waited: int, *, done: bool
    ) -> None:
        state: dict[str, Any] = {"metric": metric, "waited": waited, "epochs": log, "done": done}
        arrays = {"best": best}
        if not done:
            arrays |= {"now": self.network.get_weights(), "optimizer": [v.numpy() for v in self._slots()]}
        save_arrays(self.path, arrays, state)


def call(network: Network, inputs: tuple[Any, ...]) -> Any:  # noqa: ANN401 - tensor
    """The network's one output while training."""
    return judge.tensor_of(network(inputs[0] if len(inputs) == 1 else list(inputs), training=True))


def zeros_of(network: Network) -> list[tuple[Any, Any]]:
    """Kernels with zeros in them, and where they are not zero (1.0)."""
    found = []
    for value in network.trainable_variables:
        array = value.numpy()
        if array.ndim > 1 and not array.all():
            found.append((value, (array != 0).astype(array.dtype)))
    return found


def seed_all(seed: int) -> None:
    """Seed Python, numpy, TensorFlow and tf_keras."""
    import tf_keras

    tf_keras.utils.set_random_seed(seed)


def set_weights(network: Network, weights: list[Any], context: Context) -> None:
    """Raises JobError train.run-differs when they are another network's."""
    try:
        network.set_weights(weights)
    except ValueError as error:
        raise JobError(
            f"step {context.name}: the checkpoint does not fit the network: {str(error)[:200]}",
            code="train.run-differs",
            fix="the network's code changed since the run began: choose another --out, or remove the run's "
            "folder",
        ) from error


def save_arrays(path: Path, lists: Mapping[str, list[Any]], state: Mapping[str, Any]) -> None:
    """Lists of arrays and plain values in one .npz that appears whole or not at all."""
    import numpy as np

    arrays = {f"{key}.{k}": array for key, items in lists.items() for k, array in enumerate(items)}
    words = json.dumps({**state, "counts": {key: len(items) for key, items in lists.items()}})
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        np.savez(file, state=np.frombuffer(words.encode(), np.uint8), **arrays)
    temporary.replace(path)


def _load(path: Path) -> dict[str, Any] | None:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            state: dict[str, Any] = json.loads(archive["state"].tobytes())
            counts = state.pop("counts")
            lists = {key: [archive[f"{key}.{k}"] for k in range(n)] for key, n in counts.items()}
    except Exception:  # noqa: BLE001 - absent, or cut off by a full disk: train this phase again
        return None
    return {**state, **lists}


def _reseed(network: Network, seed: int) -> bool:
    """Seed the generator of every layer that draws, such as Dropout; False where one keeps none."""
    drawing = [part._random_generator for part in network.submodules if hasattr(part, "_random_generator")]  # noqa: SLF001
    generators = [getattr(item, "_generator", None) for item in drawing]
    for number, generator in enumerate(generators):
        if generator is not None:
            generator.reset_from_seed(schedule.seed_of(seed, number))
    return None not in generators


def _optimizer(train: Mapping[str, Any]) -> Any:  # noqa: ANN401 - tf_keras optimizer
    import tf_keras

    rate = float(train["lr"])
    if train["optimizer"] == "sgd":
        return tf_keras.optimizers.SGD(rate, momentum=0.9)
    if train["optimizer"] == "rmsprop":
        return tf_keras.optimizers.RMSprop(rate)
    if train["optimizer"] == "adamw":
        return tf_keras.optimizers.AdamW(rate, weight_decay=float(train["weight_decay"]))
    return tf_keras.optimizers.Adam(rate)
