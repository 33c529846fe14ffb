"""A reader that others wrote, on golang.org/x/mod/sumdb/{note,tlog}, takes our checkpoints and tiles as they are."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.api.house import found, settings_for
from tests.api.processes import serving
from tests.audit.conftest import world
from tests.audit.networks import World, publish, signer
from tests.audit.stored import store
from trust.audit.database_source import DatabaseSource
from trust.audit.export import export

__all__ = ["world"]
PROGRAM = Path(__file__).parent / "go"
GOCODE = Path("/usr/share/gocode")
KEY = signer().verifier
OLD_SIZE = 259
pytestmark = pytest.mark.journey


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go program, built without a network."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed (Debian: golang-go)")
    if not (GOCODE / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        pytest.skip("golang.org/x/mod is not installed (Debian: golang-golang-x-mod-dev)")
    folder = tmp_path_factory.mktemp("go")
    options = {"GO111MODULE": "off", "GOPATH": str(GOCODE), "GOCACHE": str(folder / "cache"), "GOFLAGS": ""}
    program = folder / "reader"
    subprocess.run([go, "build", "-o", program, "."], cwd=PROGRAM, env=os.environ | options, check=True)
    return program


@pytest.fixture
def exported(world: World, tmp_path: Path) -> Path:
    """The network's log out of a service's database, as static files."""
    source = DatabaseSource(store(world, tmp_path))
    export(source, KEY, tmp_path / "log", lambda done, total: None)
    source.close()
    return tmp_path / "log"


def read(reader: Path, place: Path | str, index: int, *old: Path, vkey: str = str(KEY)) -> str:
    """What the program says; CalledProcessError where it refuses."""
    command = [str(reader), str(place), vkey, str(index), *map(str, old)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("index", [0, 1, 254, 255, 256, 299])
def test_go_finds_an_entry_in_an_exported_log(reader: Path, exported: Path, index: int) -> None:
    assert f"entry {index} is in the tree" in read(reader, exported, index)


def test_go_proves_that_the_tree_extends_an_earlier_checkpoint(
    reader: Path, exported: Path, world: World, tmp_path: Path
) -> None:
    old = publish(tmp_path / "old", world.entries[:OLD_SIZE], signer()) / "checkpoint"
    assert f"extends that of size {OLD_SIZE}" in read(reader, exported, 7, old)


def test_go_refuses_an_earlier_checkpoint_of_another_history(
    reader: Path, exported: Path, world: World, tmp_path: Path
) -> None:
    other = [world.entries[1], *world.entries[1:OLD_SIZE]]
    old = publish(tmp_path / "old", other, signer()) / "checkpoint"
    with pytest.raises(subprocess.CalledProcessError):
        read(reader, exported, 7, old)


@pytest.mark.parametrize("name", ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000"])
def test_go_refuses_a_byte_that_was_changed(reader: Path, exported: Path, name: str) -> None:
    data = bytearray((exported / name).read_bytes())
    data[min(40, len(data) - 1)] ^= (
        1  # in a tile of leaves the hash of entry 1, which the path of entry 0 needs
    )
    (exported / name).write_bytes(data)
    with pytest.raises(subprocess.CalledProcessError):
        read(reader, exported, 0)


def test_go_refuses_the_log_under_another_key(reader: Path, exported: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        read(reader, exported, 0, vkey=str(signer("mallory").verifier))


def test_go_reads_the_log_of_a_running_service(reader: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'trust.db'}"
    vkey = found(settings_for(tmp_path, url))
    with serving(tmp_path, url, vkey) as (running, home):
        old = tmp_path / "old"
        old.write_bytes(httpx.get(f"{running.base_url}/log/checkpoint").content)
        home.settle_in()
        told = read(reader, f"{running.base_url}/log", 2, old, vkey=vkey)
    assert "entry 2 is in the tree" in told
    assert "extends that of size 1" in told
