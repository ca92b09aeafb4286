"""The documentation is complete and its links lead somewhere."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import farm.cli
from tests.commands import commands, parse
from tests.support import ROOT

PACKAGES = ("farm", "agents", "converters", "results", "device_profiles")
FOLDERS = ("", "docs/", "ansible/", "benchmarks/")
PAGES = sorted([*(page for at in FOLDERS for page in ROOT.glob(f"{at}*.md")), ROOT / "farm/sample/README.md"])
HEADINGS = set(re.findall(r"^### (\S+)$", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE))


def codes() -> Iterator[tuple[str, str]]:
    """Every value of a ``code=`` argument in the sources that is an error's code, and where it stands."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.keyword) and node.arg == "code":
                    for part in ast.walk(node.value):
                        if isinstance(part, ast.Constant) and re.fullmatch(
                            r"[a-z]+\.[a-z0-9-]+", str(part.value)
                        ):
                            yield str(part.value), path.name


@pytest.mark.parametrize("code", sorted({code for code, _ in codes() if not code.endswith("-")}))
def test_every_error_has_a_heading(code: str) -> None:
    """docs/errors.md explains each code that the sources can raise."""
    assert code in HEADINGS


def test_the_search_for_codes_finds_them() -> None:
    """The test above would notice a code: it sees those of every package."""
    found = {code for code, _ in codes()}

    assert {"profile.schema", "model.empty", "store.newer", "device.unknown", "runtime.missing"} <= found
    assert len(found) > 100


def test_no_error_is_described_twice_or_in_vain() -> None:
    """Each heading is a code that some source file spells out (or builds from its two halves)."""
    text = "\n".join(path.read_text() for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    listed = re.findall(r"^### (\S+)$", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)
    assert len(listed) == len(set(listed))
    for code in listed:
        family = code.partition(".")[0]
        built = re.search(rf'f"{family}\.(\w+-)?\{{', text)
        assert f'"{code}"' in text or built, code


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of every page names a file, and its anchor a heading there."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, target


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_commands_in_pages_exist(page: Path) -> None:
    """Every ``farm COMMAND`` in a code block or in backticks is a command there is."""
    text = page.read_text()
    blocks = re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text)
    context = click.Context(farm.cli.group)
    for block in blocks:
        for word in re.findall(r"(?m)(?:^|\$ |bin/|&& )farm ([a-z]+)\b", block):
            assert farm.cli.group.get_command(context, word) is not None, f"farm {word}"


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_commands_in_blocks_have_their_options(page: Path) -> None:
    """Every line ``farm ...`` of a code block names options that there are, each with its value."""
    blocks = re.findall(r"```([a-z]*)\n(.*?)```", page.read_text(), re.DOTALL)
    for text in (text for kind, text in blocks if kind in ("", "sh")):
        for words in commands(re.sub(r"(?m)^ +", "", text)):
            parse(words)


def test_the_page_of_the_command_line_is_current() -> None:
    """docs/cli.md is what scripts/write_cli_docs.py writes."""
    specification = importlib.util.spec_from_file_location("cli_docs", ROOT / "scripts" / "write_cli_docs.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)

    assert (ROOT / "docs" / "cli.md").read_text() == module.page(), "python scripts/write_cli_docs.py"
