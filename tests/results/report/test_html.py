"""The report is one small file, shows everything, believes nothing foreign, and hides no mark."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from farm_results.pages.assets import source
from farm_results.report import html
from farm_results.report.html import Sources
from tests.results import made
from tests.results.pages import stage

TOLD = (
    *("NOISY", "THROTTLED", "INVALID", "FAILED", "skipped", "job.golden", "outputs differ"),
    *("farm inspect m.onnx", "CPU pressure reached 40 %", "Histogram", "Timeline", "FELL BACK to cpu"),
    *("What one pays for what", "farm bench m.onnx -d pi,jetson", "Cortex-A72", "converter onnx"),
    *("check on the host", "31.0 mJ", "98.6 %", "p50 with its 95 % interval", "farm show job-1"),
    *("largest difference 4.3e-06", "Memory, phase by phase"),
)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report of everything that the stage holds."""
    store = stage.filled(tmp_path_factory.mktemp("store"))
    run = store.run(stage.RUN_ID)
    found = html.page(
        store.results(), Sources(run=run, objects=store.objects, version="1.2.3", now_unix_s=0.0)
    )
    store.close()
    return found


def test_everything_stands_in_the_one_file(text: str) -> None:
    """Nothing is loaded: no link, no import, no address, and the policy would forbid it."""
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert len(text.encode()) <= html.LIMIT_BYTES
    assert not re.search(r"<(link|img|iframe|object|embed|form)\b", own)
    assert not re.search(r"<[^>]*\b(src|action)=", own)
    assert "@import" not in own
    assert "url(" not in own
    assert "default-src 'none'" in own


def test_the_policy_names_exactly_the_scripts_and_styles_of_the_page(text: str) -> None:
    """Each inline element's hash is in it, and there is no unsafe word."""
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    found = re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", text, re.DOTALL)
    assert len(found) == 3
    assert all(source(one) in policy[1] for one in found)
    assert "unsafe" not in policy[1]


def test_foreign_text_is_never_markup(text: str) -> None:
    """Names of devices and runtimes, evidence and advice: escaped, and no template is run in them."""
    own = re.sub(r"<script[ >].*?</script>", "", text, flags=re.DOTALL)
    assert "<img" not in own
    assert "<b>bold" not in own
    assert "alert(2)" in own
    assert "{{ 7 * 7 }}" in own
    assert 'href="javascript' not in own


@pytest.mark.parametrize(
    "words",
    TOLD,
)
def test_the_report_tells(text: str, words: str) -> None:
    """Verdicts, reasons, charts, layers, environment, conversion and the commands that repeat it."""
    assert words in text


def test_a_simulation_says_so_everywhere(tmp_path: Path) -> None:
    """In the title, on top of the page, at every result, in the charts: removing one leaves the others."""
    store = stage.filled(tmp_path, simulated=True)
    found = html.page(store.results(), Sources(objects=store.objects))
    store.close()
    assert "<title>SIMULATED" in found
    assert 'class="banner"' in found
    assert found.count("mark-simulated") > 10
    assert "SIMULATED pi onnxruntime fp32" in found


def test_a_run_of_many_results_stays_small() -> None:
    """Hundreds of rows with long reasons: the limit holds, and the page says what is not there."""
    results = [
        made.result(f"job-{i}", device=f"device-{i}", artifact_bytes=i, document={"facts": stage.FACTS})
        for i in range(700)
    ]
    found = html.page(results, Sources())
    assert len(found.encode()) <= html.LIMIT_BYTES
    left_out = 700 - found.count('<section class="result"')
    assert 500 <= left_out < 700
    assert f"{left_out} of 700 results are in no part of their own" in found
    assert "500 more results are not shown" in found
    assert all(f'id="{name}"' in found for name in re.findall(r'href="#(r\d+)"', found))


def test_a_tight_limit_leaves_numbers_and_takes_charts(tmp_path: Path) -> None:
    """Charts go before numbers do."""
    store = stage.filled(tmp_path)
    sources = Sources(objects=store.objects)
    bare = len(html.page(store.results(), sources, limit_bytes=1).encode())
    tight = html.page(store.results(), sources, limit_bytes=bare + html.RESERVE_BYTES + 60_000)
    store.close()
    assert "have their numbers without charts" in tight
    assert "Conditions" in tight


def test_without_a_store_the_numbers_are_there() -> None:
    """A plain format like the others: results alone, no samples."""
    found = html.render(
        [made.result(sample_hashes=("f" * 64,)), replace(made.result("job-2"), model="other")]
    )
    assert "mobilenet, other" in found
    assert "4.91 ms" in found


def test_no_results_are_an_honest_page() -> None:
    """Nothing to show is said, not drawn."""
    found = html.render([])
    assert "nothing was measured" in found


@pytest.mark.parametrize("name", made.HOSTILE)
def test_any_string_in_any_field_makes_a_page(name: str) -> None:
    """Hostile text in every field that a store may hold."""
    one = made.result(
        name, model=name, device=name, runtime=name, precision=name, profile=name, runtime_version=name,
        options={"batch": name, name: name}, origin=name[:30], accuracy_metric=name, accuracy=0.5,
        document={"facts": {"cpu": name, "details": {"l4t": name}}, "artifact": {"toolchain": {name: name}}},
    )  # fmt: skip
    found = html.render(
        [one, replace(one, job_id=name + "2", status="failed", error_message=name, error_code=name)]
    )
    assert "\x1b" not in found
    assert "\x00" not in found
    found.encode()
