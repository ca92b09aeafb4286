"""The parts of a simulated job that are the same every night: spec, facts, proof, layers, memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farm.demo.fleet import GIB, VERSIONS, Entry, Machine, Network
from farm.demo.story import Story, sha256
from farm.measure import PROTOCOL, plan_of
from farm_agent.messages.energy import EnergyPlan
from farm_agent.messages.layers import Layer, LayerProfile
from farm_agent.messages.observed import Observed
from farm_agent.wire import (
    Accuracy,
    ArtifactSpec,
    Blob,
    Facts,
    GatePlan,
    Golden,
    JobSpec,
    PrecisionProof,
    RuntimeFact,
    Tolerance,
)
from farm_profiles import Target

if TYPE_CHECKING:
    from farm.jobs.context import JobContext

SIZES = {"fp32": 1.0, "fp16": 0.5, "int8": 0.26}
SOURCES = {"onnxruntime": "ort", "openvino": "ov", "litert": "litert", "tensorrt": "trt"}
UNITS = {"tensorrt": "GPU", "litert": "XNNPACK", "openvino": "CPU", "onnxruntime": "CPUExecutionProvider"}
FALLEN_BACK = "CPU reference kernels"
FILES = {"onnx": "model.onnx", "tflite": "model.tflite", "openvino": "model.xml", "tensorrt": "model.engine"}
ACCURACY_SAMPLES = 2000


def target_of(entry: Entry) -> Target:
    """As the device's profile has it."""
    return Target(entry.format, entry.runtime, entry.precision, entry.threads)


def spec_of(entry: Entry, box: Machine, net: Network, story: Story, night: int, job_id: str) -> JobSpec:
    """What the agent would have been told."""
    size = int(net.megabytes * 1e6 * SIZES[entry.precision])
    blob = Blob(story.artifact_sha256(entry, night), size, FILES[entry.format])
    golden = Golden(Blob(sha256(f"golden {entry.model}"), 4096, "golden.npz"), 4, Tolerance(1e-3, 1e-3))
    return JobSpec(
        job_id=job_id,
        fence=0,
        artifact=ArtifactSpec(entry.format, entry.precision, (blob,), (), ()),
        runtime=entry.runtime,
        plan=plan_of(blocks=5),
        threads=entry.threads,
        protocol=PROTOCOL,
        golden=golden,
        gate=GatePlan(),
        sensors=(box.sensor, "thermal", "cpufreq") if box.sensor else ("thermal", "cpufreq"),
        energy=EnergyPlan() if box.sensor else None,
        profile_ops=True,
    )


def facts_of(box: Machine) -> Facts:
    """What the box would say it is."""
    return Facts(
        machine=box.arch,
        model=f"{box.title} (simulated)",
        cpu=box.cpu,
        cores=box.cores,
        memory_bytes=box.memory_gib * GIB,
        kernel=box.kernel,
        os=box.os,
        libc="glibc 2.36",
        python="3.11.2",
        runtimes=tuple(RuntimeFact(name, version) for name, version in VERSIONS.items()),
        details={"clocksource": "arch_sys_counter"} if box.arch != "x86_64" else {"clocksource": "tsc"},
    )


def context_of(
    entry: Entry, box: Machine, story: Story, night: int, run_id: str, spec: JobSpec
) -> JobContext:
    """What judging needs beside what came back."""
    from farm.jobs.context import JobContext

    artifact = {
        "key": spec.artifact.files[0].sha256[:16],
        "format": entry.format,
        "toolchain": story.toolchain(entry, night),
        "seconds": 4.2,
        "cached": not story.stepped(entry, night),
        "caveats": [],
        "calibration": "200 samples" if entry.precision == "int8" else "",
    }
    return JobContext(
        run_id=run_id,
        job_id=spec.job_id,
        model=entry.model,
        model_sha256=sha256(f"model {entry.model}"),
        device=entry.device,
        profile=box.profile,
        target=target_of(entry),
        spec=spec,
        facts=facts_of(box),
        artifact=artifact,
    )


def proof_of(entry: Entry) -> PrecisionProof:
    """Everything ran as it was asked for."""
    word = entry.precision
    return PrecisionProof(word, {word: 28, "other": 2}, "simulated", {word: 24}, {word: 1_000_000})


def accuracy_of(entry: Entry, net: Network) -> Accuracy:
    """The same every night: a conversion does not forget."""
    value = net.accuracy - (net.int8_cost if entry.precision == "int8" else 0.0)
    correct = round(value * ACCURACY_SAMPLES)
    return Accuracy(
        "top-1", correct / ACCURACY_SAMPLES, ACCURACY_SAMPLES, correct, sha256(f"data {entry.model}")
    )


def layers_of(entry: Entry, net: Network, latency_us: float, *, stepped: bool) -> LayerProfile:
    """The model's layers with their shares; what the slower artifact adds is one layer that fell back."""
    unit = UNITS[entry.runtime]
    extra = latency_us * (1.0 - 1.0 / 1.07) if stepped else 0.0
    layers = []
    for index, (operator, share) in enumerate(net.layers):
        fell = stepped and operator == "Resize"
        taken = round(share * (latency_us - extra) + (extra if fell else 0.0), 3)
        layers.append(
            Layer(
                index=index,
                name=f"{operator.lower()}_{index}",
                op_type=operator,
                kernel=operator,
                unit=FALLEN_BACK if fell else unit,
                precision="fp32" if fell else entry.precision,
                count=20,
                mean_us=taken,
                median_us=taken,
            )
        )
    total = round(sum(layer.mean_us or 0.0 for layer in layers), 3)
    return LayerProfile(
        source=SOURCES[entry.runtime],
        layers=tuple(layers),
        runs=20,
        sum_us=total,
        inference_us=round(latency_us * 1.03, 3),
        clean_us=round(latency_us, 3),
        asked_unit=unit,
    )


def memory_bytes(net: Network, entry: Entry) -> int:
    """Weights, and as much again for what the runtime makes of them."""
    return int(net.megabytes * 1e6 * (1.0 + SIZES[entry.precision])) + 6_000_000


def observed(box: Machine, elapsed_ns: int, hottest_c: float, *, hot: bool, busy: bool) -> Observed:
    """What was seen around one process."""
    return Observed(
        elapsed_ns=elapsed_ns,
        own_cpu_ns=elapsed_ns,
        own_waited_ns=0,
        other_cpu_pct=70.0 if busy else 2.0,
        steal_pct=0.0,
        memory_pressure_pct=0.0,
        io_pressure_pct=0.0,
        involuntary_switches=3,
        major_faults=0,
        swapped_in_pages=0,
        swapped_out_pages=0,
        own_swap_bytes=0,
        clock_step_ns=0,
        suspended_ns=0,
        clock_low_share=0.5 if hot else 0.0,
        clock_lowest_khz=int(box.clock_khz * (0.85 if hot else 1.0)),
        clock_target_khz=box.clock_khz,
        temperature_start_c=box.warm_c,
        temperature_max_c=hottest_c,
        flags=("throttled",) if hot else (),
    )
