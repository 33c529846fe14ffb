"""A log becomes static files: complete, whole, resumable, and never another log than the one that is signed."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from tests.audit.networks import World, publish, signer
from tests.audit.stored import store
from tests.audit.test_fetching import files, served
from trust.audit.auditing import audit
from trust.audit.database_source import DatabaseSource
from trust.audit.export import Exported, export
from trust.audit.fetching import DirectorySource, Source
from trust.audit.report import CannotCheck
from trust.cli import run
from trust.cli.failures import CANNOT_CHECK, FALSE, GOOD
from trust.log.tiles import TilePath
from trust.verify.failures import NotProven

KEY = signer().verifier


def exported(source: Source, folder: Path) -> Exported:
    """The folder, brought up to the log."""
    return export(source, KEY, folder, lambda done, total: None)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def of_size(world: World, folder: Path, size: int) -> DirectorySource:
    """The log when it had so many entries."""
    return DirectorySource(publish(folder, world.entries[:size], signer()))


def test_the_files_are_those_of_tlog_tiles_to_the_byte(world: World, log: Path, tmp_path: Path) -> None:
    source = DatabaseSource(store(world, tmp_path))
    done = exported(source, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(log)
    assert (done.size, done.root, done.written, done.kept) == (300, world.edge.root().hex(), 6, 0)


def test_a_log_over_http_is_exported_to_the_same_bytes(log: Path, tmp_path: Path) -> None:
    exported(served(files(log)), tmp_path / "out")
    assert contents(tmp_path / "out") == contents(log)


def test_what_was_exported_passes_the_audit(world: World, tmp_path: Path) -> None:
    exported(DatabaseSource(store(world, tmp_path)), tmp_path / "out")
    report = audit(str(tmp_path / "out"), str(KEY))
    assert report.ok
    assert report.replayed == 300


@pytest.mark.parametrize("size", [1, 255, 256, 257])
def test_every_size_is_exported_whole(world: World, tmp_path: Path, size: int) -> None:
    source = of_size(world, tmp_path / "log", size)
    exported(source, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "log")


def test_a_second_export_writes_nothing(log: Path, tmp_path: Path) -> None:
    exported(DirectorySource(log), tmp_path / "out")
    before = contents(tmp_path / "out")
    again = exported(DirectorySource(log), tmp_path / "out")
    assert again.written == 0
    assert contents(tmp_path / "out") == before


def test_full_tiles_are_not_asked_for_again(world: World, log: Path, tmp_path: Path) -> None:
    class Counting(DirectorySource):
        bundles: tuple[int, ...] = ()

        def bundle(self, n: int, width: int) -> bytes | None:
            self.bundles += (n,)
            return super().bundle(n, width)

    exported(of_size(world, tmp_path / "old", 290), tmp_path / "out")
    source = Counting(log)
    exported(source, tmp_path / "out")
    assert source.bundles == (1,)
    kept = {name for name in contents(tmp_path / "out") if name.endswith(".p/34")}
    assert kept == {"tile/0/001.p/34", "tile/entries/001.p/34"}, (
        "who holds the earlier checkpoint still needs it"
    )
    assert audit(str(tmp_path / "out"), str(KEY)).ok


def test_partial_tiles_go_once_the_full_one_is_there(world: World, tmp_path: Path) -> None:
    exported(of_size(world, tmp_path / "old", 200), tmp_path / "out")
    exported(of_size(world, tmp_path / "new", 300), tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "new")
    assert not (tmp_path / "out" / "tile" / "0" / "000.p").exists()


def test_an_export_that_was_interrupted_has_no_checkpoint_and_goes_on(log: Path, tmp_path: Path) -> None:
    class Broken(DirectorySource):
        def bundle(self, n: int, width: int) -> bytes | None:
            if n == 1:
                raise CannotCheck("gone")
            return super().bundle(n, width)

    with pytest.raises(CannotCheck):
        exported(Broken(log), tmp_path / "out")
    assert set(contents(tmp_path / "out")) == {"tile/0/000", "tile/entries/000"}
    done = exported(DirectorySource(log), tmp_path / "out")
    assert done.kept == 2
    assert contents(tmp_path / "out") == contents(log)


def test_the_checkpoint_is_replaced_last(
    world: World, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    replace = Path.replace

    def noted(self: Path, target: Path) -> Path:
        order.append(Path(target).name)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", noted)
    exported(DirectorySource(log), tmp_path / "out")
    assert order[-1] == "checkpoint"
    assert order.count("checkpoint") == 1


def test_entries_that_do_not_lead_to_the_signed_root_leave_nothing_behind(log: Path, tmp_path: Path) -> None:
    bundle = log / str(TilePath(None, 0))
    bundle.write_bytes(bundle.read_bytes().replace(b"T", b"t").replace(b"a", b"b", 1))
    with pytest.raises(NotProven, match="root"):
        exported(DirectorySource(log), tmp_path / "out")
    assert contents(tmp_path / "out") == {}


def test_a_bundle_that_is_cut_short_names_the_entry(log: Path, tmp_path: Path) -> None:
    (log / str(TilePath(None, 1, 44))).write_bytes(b"")
    with pytest.raises(NotProven, match="entry 256"):
        exported(DirectorySource(log), tmp_path / "out")


def test_a_forked_log_does_not_touch_what_was_exported(world: World, log: Path, tmp_path: Path) -> None:
    for size, name in ((200, "within the first tile"), (280, "behind it")):
        out = tmp_path / name
        exported(of_size(world, tmp_path / f"{name} old", size), out)
        before = contents(out)
        entries = list(world.entries)
        entries[size - 1] = entries[0]
        forked = DirectorySource(publish(tmp_path / f"{name} fork", entries, signer()))
        with pytest.raises(NotProven, match="forked"):
            exported(forked, out)
        assert contents(out) == before


@pytest.mark.parametrize("size", [1, 260])
def test_a_log_that_went_back_is_refused(world: World, log: Path, tmp_path: Path, size: int) -> None:
    exported(DirectorySource(log), tmp_path / "out")
    with pytest.raises(NotProven, match="went back"):
        exported(of_size(world, tmp_path / "old", size), tmp_path / "out")


def test_another_logs_folder_is_refused(world: World, log: Path, tmp_path: Path) -> None:
    out = publish(tmp_path / "out", world.entries, signer("mallory"))
    with pytest.raises(NotProven, match="out"):
        exported(DirectorySource(log), out)
    with pytest.raises(NotProven, match="log's checkpoint"):
        exported(DirectorySource(out), tmp_path / "new")


def test_two_exports_do_not_write_to_one_folder(log: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    handle = os.open(tmp_path / "out", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(CannotCheck, match="somebody else"):
        exported(DirectorySource(log), tmp_path / "out")
    os.close(handle)
    exported(DirectorySource(log), tmp_path / "out")


def test_the_command_exports_a_data_directory(world: World, log: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    store(world, data)
    (data / "log.vkey").write_text(str(KEY), encoding="utf-8")
    out = tmp_path / "out"
    assert run(["log", "export", str(out), "--data", str(data), "--json"]) == GOOD
    assert contents(out) == contents(log)
    assert run(["audit", str(out), "--key", str(KEY)]) == GOOD
    other = ["--vkey", str(signer("mallory").verifier)]
    assert run(["log", "export", str(tmp_path / "no"), "--data", str(data), *other]) == FALSE
    assert run(["log", "export", str(tmp_path / "no"), "--data", str(tmp_path), *other]) == CANNOT_CHECK
    assert not (tmp_path / "trust.db").exists()
