"""A copy of a log in which anything was changed: the audit names the entry."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.audit.networks import World, signer
from trust.audit.auditing import audit
from trust.audit.report import Finding
from trust.log.tiles import TILE_WIDTH, encode_bundle

VKEY = str(signer().verifier)
quick = settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])


def finding(folder: Path) -> Finding:
    """The one thing that is false in a log."""
    report = audit(str(folder), VKEY)
    assert not report.ok
    (found,) = report.findings
    return found


def rewrite(folder: Path, entries: list[bytes]) -> None:
    """Puts other entries into the bundles of a copied log, whose checkpoint and hash tiles stay."""
    for path in (folder / "tile" / "entries").glob("*.p/*"):
        path.write_bytes(encode_bundle(entries[TILE_WIDTH:300]))
    (folder / "tile" / "entries" / "000").write_bytes(encode_bundle(entries[:TILE_WIDTH]))


@quick
@given(data=st.data())
def test_one_bit_changed_in_any_entry_names_that_entry(world: World, log: Path, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, 299))
    entry = bytearray(world.entries[index])
    bit = data.draw(st.integers(0, 8 * len(entry) - 1))
    entry[bit // 8] ^= 1 << bit % 8
    rewrite(log, [*world.entries[:index], bytes(entry), *world.entries[index + 1 :]])
    assert finding(log).index == index


@quick
@given(seed=st.integers(0, 2**32))
def test_one_byte_changed_in_any_file_is_found(world: World, tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    copy = world.publish(tmp_path / str(seed))
    file = random.choice(sorted(path for path in copy.rglob("*") if path.is_file()))
    content = bytearray(file.read_bytes())
    at = random.randrange(len(content))
    content[at] = (content[at] + random.randrange(1, 256)) % 256
    file.write_bytes(content)
    found = finding(copy)
    shutil.rmtree(copy)
    if file.name == "checkpoint":
        assert found.index is None
        return
    first = 256 if "001.p" in str(file) else 0
    assert found.index is not None
    assert first <= found.index < first + 256
    if "entries" not in str(file):
        assert found.index == first + at // 32


@quick
@given(index=st.integers(0, 298))
def test_two_entries_exchanged_name_the_first_of_them(world: World, log: Path, index: int) -> None:
    entries = list(world.entries)
    entries[index], entries[index + 1] = entries[index + 1], entries[index]
    rewrite(log, entries)
    assert finding(log).index == index


@quick
@given(index=st.integers(0, 299))
def test_an_entry_left_out_names_its_place(world: World, log: Path, index: int) -> None:
    rewrite(log, [*world.entries[:index], *world.entries[index + 1 :]])
    assert finding(log).index == index


@quick
@given(index=st.integers(0, 298), other=st.integers(0, 299))
def test_an_entry_put_in_names_its_place(world: World, log: Path, index: int, other: int) -> None:
    entries = [*world.entries[:index], world.entries[other], *world.entries[index:]]
    rewrite(log, entries)
    # Where an entry is put in front of itself, the first that differs is the next one that is not.
    first = next(
        at for at, (mine, theirs) in enumerate(zip(entries, world.entries, strict=False)) if mine != theirs
    )
    assert finding(log).index == first


@quick
@given(cut=st.integers(1, 50_000))
def test_a_bundle_cut_short_names_the_entry_that_is_not_whole(world: World, log: Path, cut: int) -> None:
    file = log / "tile" / "entries" / "000"
    content = encode_bundle(world.entries[:TILE_WIDTH])[:-cut]
    file.write_bytes(content)
    whole = 0
    while (whole_bytes := len(encode_bundle(world.entries[: whole + 1]))) <= len(content):
        whole += 1
    assert whole_bytes > len(content)
    assert finding(log).index == whole


@quick
@given(data=st.data())
def test_a_change_is_found_by_the_signed_root_where_no_hash_tiles_are_served(
    world: World, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    copy = world.publish(tmp_path_factory.mktemp("copy"))
    shutil.rmtree(copy / "tile" / "0")
    index = data.draw(st.integers(0, 299))
    digit = world.entries[index].index(b'"at_ms":') + len(b'"at_ms":1700000000000') - 1
    changed = bytearray(world.entries[index])
    changed[digit] ^= 1
    rewrite(copy, [*world.entries[:index], bytes(changed), *world.entries[index + 1 :]])
    found = finding(copy)
    assert found.index is None or index <= found.index <= index + 1
