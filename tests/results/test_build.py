"""Results made of what came back, and of what did not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from farm.sample import sample_data
from farm_agent.errors import JobError
from farm_agent.wire import Accuracy, Failure, MemoryPhase
from farm_profiles.profile import Target
from farm_results.accuracy import Assessment
from farm_results.build import Identity, failed, result_of, skipped
from farm_results.model import Verdict
from farm_results.series import key_of, series_id
from farm_results.store import open_store
from tests.results.made import block, job, latency, run, spec

IDENTITY: Identity = {
    "run_id": run().run_id,
    "job_id": "job-1",
    "created_unix_s": 5.0,
    "model": "mobilenet",
    "model_sha256": "d" * 64,
    "device": "pi",
    "profile": "rpi4",
    "target": Target("onnx", "onnxruntime", "fp32", 2),
}


def built(**changes: Any) -> Any:
    parts: dict[str, Any] = {"spec": spec(), "job": job(), "latency": latency(), "verdict": Verdict("valid")}
    return result_of(**(parts | changes), **IDENTITY)


def test_what_the_host_found_in_the_outputs_goes_before_what_the_device_counted() -> None:
    told = job(accuracy=Accuracy("top-1", 0.972, 360, 350, "e" * 64))
    found = Assessment(
        count=300,
        metric="f1",
        value=0.9,
        low=0.8,
        high=0.95,
        reference=0.91,
        delta=-0.01,
        delta_low=-0.03,
        delta_high=0.02,
        agreement={"top1": 0.99},
    )
    made = built(job=told, assessment=found)
    assert (made.accuracy_metric, made.accuracy, made.accuracy_count) == ("f1", 0.9, 300)
    assert (made.accuracy_low, made.accuracy_high, made.accuracy_reference) == (0.8, 0.95, 0.91)
    assert (made.accuracy_delta, made.accuracy_delta_low, made.accuracy_delta_high) == (-0.01, -0.03, 0.02)
    assert made.agreement == {"top1": 0.99}
    lost = built(job=told, assessment=Assessment(300, "f1", problem="output 0 does not fit"))
    assert (lost.accuracy_metric, lost.accuracy, lost.accuracy_reference) == ("top-1", 0.972, None)


def test_a_good_job_becomes_an_ok_result() -> None:
    """Times are medians over the processes, memory is the largest peak of the measured phase."""
    accuracy = Accuracy("top-1", 0.972, 360, 350, "e" * 64)
    made = built(job=job(accuracy=accuracy), sample_hashes=["1" * 64], sent_bytes=7)
    assert (made.status, made.verdict.word, made.latency) == ("ok", "valid", latency())
    assert (made.import_ns, made.load_ns, made.first_inference_ns) == (200_000_002, 30_000_002, 9_000_002)
    assert made.peak_memory_bytes == 80_000_004
    assert (made.accuracy_metric, made.accuracy, made.accuracy_count) == ("top-1", 0.972, 360)
    assert (made.runtime_version, made.executed_precision, made.threads) == ("1.23.0", "fp32", 2)
    assert (made.artifact_bytes, made.artifact_sha256) == (14_000_000, "a" * 64)
    assert made.max_abs_error == 2e-6
    assert made.sample_hashes == ("1" * 64,)
    assert made.document["job"]["proof"]["operators"] == {"fp32": 50, "other": 3}
    assert made.document["sent_bytes"] == 7


def test_memory_that_the_kernel_does_not_tell_stays_unknown() -> None:
    silent = block(memory=(MemoryPhase("loaded", 1, 2), MemoryPhase("measured", None, None)))
    assert built(job=job(blocks=(silent,))).peak_memory_bytes is None


@pytest.mark.parametrize(
    ("changes", "blame", "code"),
    [
        (
            {"outcome": "failed", "failure": Failure("job", "runtime.crashed", "signal 11", "try")},
            "job",
            "runtime.crashed",
        ),
        ({"outcome": "interrupted"}, "infrastructure", "job.interrupted"),
        ({"outcome": "failed"}, "bug", "job.no-samples"),
    ],
)
def test_a_job_that_did_not_end_well_has_no_numbers(changes: dict[str, Any], blame: str, code: str) -> None:
    """Not even those of the processes that were complete: they stay in the document."""
    made = built(job=job(**changes))
    assert (made.status, made.error_blame, made.error_code) == ("failed", blame, code)
    assert (made.latency, made.peak_memory_bytes, made.verdict.word) == (None, None, "")
    assert len(made.document["job"]["blocks"]) == 5


def test_a_job_stopped_after_its_last_process_keeps_its_numbers() -> None:
    """Ctrl-C in an energy window, say; one that was stopped earlier has none."""
    whole, part = job(outcome="stopped"), job(outcome="stopped", blocks=job().blocks[:4])
    assert (built(job=whole).status, built(job=whole).latency is None) == ("ok", False)
    assert (built(job=part).error_code, built(job=part).latency) == ("job.stopped", None)


def test_an_ok_job_without_samples_is_not_ok() -> None:
    assert built(job=job(blocks=()), latency=None).error_code == "job.no-samples"


def test_cells_that_never_ran_say_why(tmp_path: Any) -> None:
    """And are stored like any other."""
    error = JobError("no such operator", code="convert.unsupported", fix="farm inspect")
    broken = failed(error=error, document={"log": "..."}, **IDENTITY)
    assert (broken.status, broken.error_blame, broken.error_code) == ("failed", "job", "convert.unsupported")
    assert (broken.error_message, broken.error_fix) == ("no such operator", "farm inspect")
    untried = skipped(reason="not installed", **(IDENTITY | {"job_id": "job-2"}))
    assert (untried.status, untried.error_message, untried.precision) == ("skipped", "not installed", "fp32")
    store = open_store(tmp_path)
    store.add_run(run())
    store.add_result(broken)
    store.add_result(untried)
    store.add_result(built(sample_hashes=()).__class__(**{**built().__dict__, "job_id": "job-3"}))
    assert {one.job_id for one in store.results()} == {"job-1", "job-2", "job-3"}


def test_a_failure_belongs_to_the_series_of_what_was_asked_for() -> None:
    """Not to that of a closed loop of another batch, whose nights it would make look broken."""
    other_cell: Identity = {**IDENTITY, "scenario": "throughput", "batch": 4}
    plain = failed(**IDENTITY, error=JobError("no", code="job.no"))
    other = failed(**other_cell, error=JobError("no", code="job.no"))
    assert (plain.scenario, other.scenario, other.options["batch"]) == ("latency", "throughput", "4")
    assert series_id(key_of(plain)) != series_id(key_of(other))
    asked: Identity = {**other_cell, "conditions": {"throughput.streams": "1,8"}}
    fast = failed(**asked, error=JobError("no", code="job.no"))
    assert key_of(fast).options == {"batch": "4", "throughput.streams": "1,8"}
    from farm_results.pages.sections.origin import commands_of

    assert commands_of(fast)[0].endswith("--batch 4 --scenario throughput --streams 1,8")
    own = replace(fast, model="digits", document={"spec": {"dataset": {"name": sample_data().name}}})
    assert commands_of(own)[0].startswith("farm bench -d "), "the bundled network is no file of the reader's"
    assert commands_of(replace(own, model="mine"))[0].startswith("farm bench mine.onnx -d ")
