"""The inventory file: strict to read, careful to write."""

from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path

import pytest

from farm.devices import inventory
from farm.devices.device import Device
from farm.errors import UsageError

PI = Device("pi-1", "rpi4", "ssh://pi@10.0.0.7", host_key="ssh-ed25519 AAAA", tags=("lab", "slow"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "devices.toml"


def test_without_a_file_there_is_this_machine(path: Path) -> None:
    assert inventory.load(path) == {"local": inventory.LOCAL}
    assert not path.parent.exists()


def test_what_is_added_is_read_back(path: Path) -> None:
    inventory.add(path, PI)
    assert inventory.load(path) == {"local": inventory.LOCAL, "pi-1": PI}


def test_comments_and_other_devices_survive_a_change(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('# our lab\n[devices.old]\nprofile = "rpi3"  # weak supply\naddress = "ssh://old"\n')
    inventory.add(path, PI)
    inventory.remove(path, "pi-1")
    text = path.read_text()
    assert "# our lab" in text
    assert "# weak supply" in text
    assert list(inventory.load(path)) == ["local", "old"]


def test_local_may_be_described_and_only_its_description_removed(path: Path) -> None:
    inventory.add(path, Device("local", "x86-nvidia", "local", tags=("desk",)))
    assert inventory.load(path)["local"].tags == ("desk",)
    inventory.remove(path, "local")
    assert inventory.load(path)["local"] == inventory.LOCAL
    with pytest.raises(UsageError, match="always there"):
        inventory.remove(path, "local")


def test_local_may_get_tags_only(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('[devices.local]\ntags = ["desk"]\n')
    assert inventory.load(path)["local"] == Device("local", "x86-cpu", "local", tags=("desk",))


def test_a_name_is_never_overwritten_by_accident(path: Path) -> None:
    inventory.add(path, PI)
    with pytest.raises(UsageError) as caught:
        inventory.add(path, PI)
    assert caught.value.code == "device.exists"
    inventory.add(path, PI, overwrite=True)


def test_removing_an_unknown_device_names_the_known_ones(path: Path) -> None:
    inventory.add(path, PI)
    with pytest.raises(UsageError) as caught:
        inventory.remove(path, "pi-2")
    assert caught.value.code == "device.unknown"
    assert "pi-1" in caught.value.fix


@pytest.mark.parametrize("name", ["", "a b", "-x", "a/b", "..", "all", "x" * 65, "ä"])
def test_a_name_is_one_plain_word(path: Path, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        inventory.add(path, Device(name, "rpi4", "ssh://pi"))
    assert caught.value.code == "device.name"
    assert not path.exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[devices.a\n", "not TOML"),
        ("devices = 3\n", "devices: expected a table"),
        ("[device.a]\n", "unknown key"),
        ('[devices.a]\nprofile = "x"\naddress = "ssh://a"\ntag = ["x"]\n', "devices.a.tag"),
        ('[devices.a]\nprofile = 3\naddress = "ssh://a"\n', "devices.a.profile: expected str, got int 3"),
        ('[devices.a]\naddress = "ssh://a"\n', "devices.a.profile: expected str, got nothing"),
        ('[devices.a]\nprofile = "x"\naddress = "telnet://a"\n', "telnet"),
        ('[devices."a b"]\nprofile = "x"\naddress = "ssh://a"\n', "a b"),
        ('[devices.a]\nname = "b"\nprofile = "x"\naddress = "ssh://a"\n', "devices.a.name"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_file_and_key(path: Path, text: str, says: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        inventory.load(path)
    assert str(path) in caught.value.message
    assert says in caught.value.message
    with pytest.raises(UsageError):
        inventory.add(path, PI)
    assert path.read_text() == text


def test_a_file_that_is_no_text_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="UTF-8"):
        inventory.load(path)


def test_the_file_keeps_its_permissions_and_its_place_behind_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "link.toml"
    real.write_text("# kept\n")
    real.chmod(0o640)
    link.symlink_to(real)
    inventory.add(link, PI)
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert "pi-1" in real.read_text()


def _add_ten(path: str, first: int) -> None:
    for number in range(first, first + 10):
        inventory.add(Path(path), Device(f"d{number}", "rpi4", "ssh://pi"))


def test_commands_at_once_lose_nothing(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_add_ten, args=(str(path), first)) for first in (0, 10, 20)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert set(inventory.load(path)) == {"local", *(f"d{number}" for number in range(30))}
    assert [entry.name for entry in path.parent.iterdir() if entry.suffix not in (".toml", ".lock")] == []
