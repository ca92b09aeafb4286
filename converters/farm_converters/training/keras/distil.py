"""Distillation: a student learns the teacher's softened outputs beside the labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from farm_agent.errors import JobError
from farm_converters.training.keras import judge
from farm_converters.training.keras.loop import Context, Network, call, fit
from farm_converters.training.keras.network import builder, load_weights


def apply(network: Network, step: Mapping[str, Any], context: Context) -> Network:
    """The student after training: ``network`` itself, or the ``student`` of the step.

    Loss = alpha * T^2 * KL(softmax(teacher/T) || softmax(student/T)) + (1 - alpha) * loss(student, labels);
    for outputs that are no class scores (metric mae) the squared difference takes the divergence's place.
    """
    import tensorflow as tf

    parameters = step["parameters"]
    teacher, teacher_probabilities = _teacher(context)
    if parameters["student"]:
        context.build = builder(parameters["student"], "student", context.folder, context.seed)
        network = context.build()
        context.probabilities = ends_in_softmax(network, context)
        context.keep_zeros = False
    heat, alpha, probabilities = (
        float(parameters["temperature"]),
        float(parameters["alpha"]),
        context.probabilities,
    )
    hard = judge.loss_of(step["train"]["loss"], context.folder, probabilities=probabilities)

    def objective(student: Network, inputs: tuple[Any, ...], labels: Any) -> Any:  # noqa: ANN401 - tensors
        outputs = call(student, inputs)
        wanted = tf.stop_gradient(teacher(inputs[0] if len(inputs) == 1 else list(inputs), training=False))
        if outputs.shape[1:] != wanted.shape[1:]:
            raise JobError(
                f"the teacher answers {wanted.shape[1:]}, the student {outputs.shape[1:]}",
                code="train.teacher",
                fix="give both networks the same outputs",
            )
        if context.metric == "mae":
            soft = tf.reduce_mean(tf.square(outputs - wanted))
        else:
            own = tf.nn.log_softmax(judge.logits_of(outputs, probabilities) / heat)
            theirs = tf.nn.log_softmax(judge.logits_of(wanted, teacher_probabilities) / heat)
            soft = heat**2 * tf.reduce_mean(tf.reduce_sum(tf.exp(theirs) * (theirs - own), axis=-1))
        return alpha * soft + (1.0 - alpha) * hard(outputs, labels)

    fit(network, step["train"], context, objective=objective)
    return network


def ends_in_softmax(network: Network, context: Context) -> bool:
    """Seen on its answers to the first training samples."""
    inputs, _ = next(context.split("train").batches(8))
    return judge.are_probabilities(judge.predict(network, inputs))


def _teacher(context: Context) -> tuple[Network, bool]:
    """The teacher with its weights, or trained now as [train] says; and whether it ends in a softmax."""
    recipe = context.recipe
    teacher = builder(recipe["teacher"], "teacher", context.folder, context.seed)()
    probabilities = ends_in_softmax(teacher, context)
    if recipe["teacher_weights"]:
        load_weights(teacher, context.folder / recipe["teacher_weights"], "teacher_weights")
    else:
        before, masked, own = len(context.epochs), context.keep_zeros, context.probabilities
        context.keep_zeros, context.probabilities = False, probabilities
        fit(teacher, recipe["train"], context)
        del context.epochs[before:]
        context.keep_zeros, context.probabilities = masked, own
    reached = judge.score(teacher, context.split("test"), context.metric, int(recipe["train"]["batch"]))
    count = sum(int(value.shape.num_elements()) for value in teacher.trainable_variables)
    context.notes.append(f"teacher: {context.metric} {reached:.4f}, {count} parameters")
    return teacher, probabilities
