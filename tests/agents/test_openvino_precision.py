"""Which precision an OpenVINO layer ran in."""

from __future__ import annotations

import pytest

from farm_agent.runtimes.openvino import executed


@pytest.mark.parametrize(
    ("primitive", "declared", "expected"),
    [
        # fp16 weights, multiplied in fp32: as OpenVINO 2026.4 prints them for a compressed model
        ("brgemm_avx512_f32", "f16", "fp32"),
        ("brgconv_avx512_f32", "f16", "fp32"),
        ("brgconv_avx512_amx_bf16", "bf16", "bf16"),
        ("brgconv_avx512_i8", "u8", "int8"),
        ("unknown_f16", "f32", "fp32"),
        ("jit_uni", "f32", "fp32"),
        ("", "f16", "fp16"),
    ],
)
def test_kernel_decides_not_the_stored_weights(primitive: str, declared: str, expected: str) -> None:
    assert executed(primitive, declared) == expected
