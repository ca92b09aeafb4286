"""Settings: precedence, origins and what a wrong one says."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.config import load_config, masked
from farm.errors import UsageError


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def user_file(private_folders: Path) -> Path:
    """The user's own file; its folder exists."""
    path = private_folders / "config" / "farm" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


def test_defaults_lie_in_the_xdg_folders(project: Path, private_folders: Path) -> None:
    """Without any setting everything goes where XDG says."""
    config = load_config()

    assert config.store == str(private_folders / "data" / "farm")
    assert config.cache_dir == private_folders / "cache" / "farm"
    assert config.state_dir == private_folders / "state" / "farm"
    assert config.inventory_path == private_folders / "config" / "farm" / "devices.toml"
    assert config.offline is False
    assert config.origin("store") == "default"


def test_a_nearer_source_wins(project: Path, user_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """User file, then project file, then environment, then flag; each names itself as the origin."""
    user_file.write_text('store = "from-user"\n')
    assert load_config().store == str(user_file.parent / "from-user")
    assert load_config().origin("store") == str(user_file)

    (project / "farm.toml").write_text('store = "from-project"\n')
    assert load_config().store == str(project / "from-project")
    assert load_config().origin("store") == str(project / "farm.toml")

    monkeypatch.setenv("FARM_STORE", "from-environment")
    assert load_config().store == str(project / "from-environment")
    assert load_config().origin("store") == "FARM_STORE"

    assert load_config({"store": "from-flag"}).store == str(project / "from-flag")
    assert load_config({"store": "from-flag"}).origin("store") == "flag"


def test_pyproject_counts_without_farm_toml(project: Path) -> None:
    """[tool.farm] is read, until a farm.toml is there."""
    (project / "pyproject.toml").write_text("[tool.farm]\noffline = true\n")
    assert load_config().offline is True

    (project / "farm.toml").write_text("")
    assert load_config().offline is False


def test_a_database_url_is_kept_as_it_is(project: Path) -> None:
    """Only paths are resolved."""
    url = "postgresql://someone@host/farm"

    assert load_config({"store": url}).store == url


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("stor = 'x'", "config.unknown-key", "'stor'"),
        ("store = 3", "config.type", "non-empty text"),
        ("store = ''", "config.type", "non-empty text"),
        ("offline = 'perhaps'", "config.type", "true or false"),
        ("store = ", "config.syntax", "not TOML"),
    ],
)
def test_a_wrong_file_names_itself(project: Path, text: str, code: str, words: str) -> None:
    """The message has the file and the fault; the fix says what to do."""
    (project / "farm.toml").write_text(text)

    with pytest.raises(UsageError) as caught:
        load_config()

    assert caught.value.code == code
    assert words in caught.value.message
    assert "farm.toml" in caught.value.message
    assert caught.value.fix


def test_a_wrong_variable_names_itself(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is checked like a file."""
    monkeypatch.setenv("FARM_OFFLINE", "perhaps")

    with pytest.raises(UsageError, match="FARM_OFFLINE") as caught:
        load_config()
    assert caught.value.code == "config.type"


@pytest.mark.parametrize(("word", "value"), [("1", True), ("Yes", True), ("off", False), ("FALSE", False)])
def test_offline_words(project: Path, monkeypatch: pytest.MonkeyPatch, word: str, value: bool) -> None:
    """The usual words for yes and no."""
    monkeypatch.setenv("FARM_OFFLINE", word)

    assert load_config().offline is value


def test_a_file_that_cannot_be_read_is_a_usage_error(project: Path) -> None:
    """Also when it is a folder."""
    (project / "farm.toml").mkdir()

    with pytest.raises(UsageError) as caught:
        load_config()
    assert caught.value.code == "config.unreadable"


def test_passwords_are_masked() -> None:
    """Whatever is shown or logged hides the password of a URL and nothing else."""
    text = "open postgresql://farm:hunter2@db/farm and ssh://pi@rpi4:22"

    assert masked(text) == "open postgresql://farm:***@db/farm and ssh://pi@rpi4:22"
