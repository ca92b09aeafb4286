"""Quantisation-aware training: int8 rounding in the forward pass, exported with its scales (QDQ).

Batch norms are folded into their convolutions first, so that what is trained is what will run. Weights: int8,
symmetric, a scale per output channel. Activations: 8 bits, a scale per tensor; u8 affine or s8 symmetric.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from typing import Any

from farm_agent.errors import JobError
from farm_converters.training.torch.loop import Context, Network, fit
from farm_converters.training.torch.prune import kept

FREEZE_SHARE = 0.5  # of the epochs, after which ranges stay as they are


def apply(network: Network, step: Mapping[str, Any], context: Context) -> Network:
    """A network of the same function with rounding. Raises JobError train.untraceable."""
    import torch
    from torch.ao import quantization

    parameters, train = step["parameters"], step["train"]
    prepared = _prepare(network.cpu().eval(), parameters, context)
    samples = context.split("train").batches(int(train["batch"]))
    seen = 0
    prepared.eval()
    with torch.no_grad():
        for inputs, _ in samples:
            prepared(*inputs)
            seen += len(inputs[0])
            if seen >= int(parameters["calibration_samples"]):
                break
    freeze_at = max(1, round(FREEZE_SHARE * int(train["epochs"]))) + 1

    def on_epoch(model: Network, epoch: int) -> None:
        model.apply(quantization.disable_observer if epoch >= freeze_at else quantization.enable_observer)

    fit(prepared, train, context, on_epoch=on_epoch)
    prepared.apply(quantization.disable_observer)
    context.notes.append("the graph carries its own scales: measured as int8, no calibration is needed")
    return prepared.eval()


def _prepare(network: Network, parameters: Mapping[str, Any], context: Context) -> Network:
    import torch
    from torch.ao.quantization import QConfig, QConfigMapping
    from torch.ao.quantization.quantize_fx import prepare_qat_fx
    from torch.fx.experimental import optimization

    config = QConfig(activation=_activations(parameters["activations"]), weight=_weights())
    examples = context.split("train").first(1)[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            folded = optimization.fuse(copy.deepcopy(network))
            mapping = QConfigMapping().set_global(config)
            for name, _ in folded.named_modules():
                if name and kept(name, parameters["keep"]):
                    mapping.set_module_name(name, None)
            prepared = prepare_qat_fx(folded.train(), mapping, examples)
        with torch.no_grad():
            prepared.eval()(*examples)
    except Exception as error:
        text = " ".join(str(error).split())[:300] or type(error).__name__
        raise JobError(
            f"{type(network).__name__} cannot be traced for QAT: {text}",
            code="train.untraceable",
            fix="keep Python's if and loops over values out of forward, or quantise after training: "
            "farm convert --precision int8 --calib FOLDER",
        ) from error
    return prepared


def _activations(kind: str) -> Any:  # noqa: ANN401 - torch.ao partial
    import torch
    from torch.ao import quantization

    affine = kind == "u8"
    return quantization.FakeQuantize.with_args(
        observer=quantization.MovingAverageMinMaxObserver,
        quant_min=0 if affine else -128,
        quant_max=255 if affine else 127,
        dtype=torch.quint8 if affine else torch.qint8,
        qscheme=torch.per_tensor_affine if affine else torch.per_tensor_symmetric,
        reduce_range=False,
    )


def _weights() -> Any:  # noqa: ANN401 - torch.ao partial
    import torch
    from torch.ao import quantization

    return quantization.FakeQuantize.with_args(
        observer=quantization.MovingAveragePerChannelMinMaxObserver,
        quant_min=-128,
        quant_max=127,
        dtype=torch.qint8,
        qscheme=torch.per_channel_symmetric,
        ch_axis=0,
    )
