"""Distillation: a student learns the teacher's softened outputs beside the labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from farm_agent.errors import JobError
from farm_converters.training.contract import load_entry, user_code
from farm_converters.training.torch import judge
from farm_converters.training.torch.loop import Context, Network, device_of, fit, seed_all


def apply(network: Network, step: Mapping[str, Any], context: Context) -> Network:
    """The student after training: ``network`` itself, or the ``student`` of the step.

    Loss = alpha * T^2 * KL(softmax(teacher/T) || softmax(student/T)) + (1 - alpha) * loss(student, labels);
    for outputs that are no class scores (metric mae) the squared difference takes the divergence's place.
    """
    import torch
    import torch.nn.functional as f

    parameters, recipe = step["parameters"], context.recipe
    teacher = _teacher(context)
    if parameters["student"]:
        seed_all(context.seed)
        with user_code("student", context.folder):
            network = load_entry(parameters["student"], context.folder, "student")()
        context.keep_zeros = False
    heat, alpha = float(parameters["temperature"]), float(parameters["alpha"])
    hard = judge.loss_of(step["train"]["loss"], context.folder)
    teacher.to(device_of(step["train"])).eval()

    def objective(student: Network, inputs: tuple[Any, ...], labels: Any) -> Any:  # noqa: ANN401 - tensors
        outputs = judge.tensor_of(student(*inputs))
        with torch.no_grad():
            wanted = judge.tensor_of(teacher(*inputs))
        if outputs.shape != wanted.shape:
            raise JobError(
                f"the teacher answers {list(wanted.shape[1:])}, the student {list(outputs.shape[1:])}",
                code="train.teacher",
                fix="give both networks the same outputs",
            )
        if recipe["metric"] == "mae":
            soft = f.mse_loss(outputs, wanted)
        else:
            own, theirs = f.log_softmax(outputs / heat, dim=1), f.log_softmax(wanted / heat, dim=1)
            soft = heat**2 * f.kl_div(own, theirs, reduction="batchmean", log_target=True)
        return alpha * soft + (1.0 - alpha) * hard(outputs, labels)

    fit(network, step["train"], context, objective=objective)
    return network


def _teacher(context: Context) -> Network:
    """The teacher with its weights, or trained now as [train] says."""
    from farm_converters.training.torch.network import build

    recipe = context.recipe
    teacher = build(recipe["teacher"], recipe["teacher_weights"], "teacher", context)
    if not recipe["teacher_weights"]:
        masked, context.keep_zeros = context.keep_zeros, False
        before = len(context.epochs)
        fit(teacher, recipe["train"], context)
        del context.epochs[before:]
        context.keep_zeros = masked
    test = context.split("test")
    reached = judge.score(teacher.cpu(), test, context.metric, int(recipe["train"]["batch"]), "cpu")
    count = sum(value.numel() for value in teacher.parameters())
    context.notes.append(f"teacher: {context.metric} {reached:.4f}, {count} parameters")
    return teacher
