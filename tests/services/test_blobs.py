"""A blob is the bytes that its digest names, or it is not here."""

from __future__ import annotations

from hashlib import sha256

import pytest

from trust.errors import TrustError
from trust.services.blobs import Blobs, Quotas, Stored, missing, stored
from trust.storage import bulk, tables
from trust.storage.engine import Database
from trust.storage.reading import reading
from trust.storage.rows import table_of
from trust.storage.unit import aside

DATA = bytes(range(256)) * 16
DIGEST = sha256(DATA).hexdigest()
PARTY = "did:key:somebody"


@pytest.fixture
def blobs(database: Database) -> Blobs:
    return Blobs(database, Quotas(), now_ms=lambda: 1_000)


def has(blobs: Blobs, digest: str) -> bool:
    """Whether the bytes are here."""
    try:
        return sha256(blobs.get(digest)).hexdigest() == digest
    except TrustError as error:
        if error.code != "unknown-blob":
            raise
        return False


def test_what_was_put_is_given_back_and_is_new_once(blobs: Blobs) -> None:
    assert not has(blobs, DIGEST)
    assert blobs.put(DIGEST, DATA, PARTY)
    assert not blobs.put(DIGEST, DATA, PARTY)
    assert has(blobs, DIGEST)
    assert blobs.get(DIGEST) == DATA


def test_an_empty_blob_is_a_blob(blobs: Blobs) -> None:
    digest = sha256(b"").hexdigest()
    assert blobs.put(digest, b"", PARTY)
    assert blobs.get(digest) == b""


def test_bytes_that_the_digest_does_not_name_are_refused(blobs: Blobs) -> None:
    with pytest.raises(TrustError, match="digest-mismatch"):
        blobs.put(DIGEST, DATA[:-1], PARTY)
    assert not has(blobs, DIGEST)


@pytest.mark.parametrize("digest", [DIGEST, "", "no digest", "'; DROP TABLE blobs"])
def test_a_blob_that_is_not_here_is_unknown(blobs: Blobs, digest: str) -> None:
    with pytest.raises(TrustError, match="unknown-blob"):
        blobs.get(digest)


def test_what_is_missing_of_many_is_told_in_order(blobs: Blobs, database: Database) -> None:
    blobs.put(DIGEST, DATA, PARTY)
    with reading(database) as reader:
        assert missing(reader, ["b", DIGEST, "a", "b"]) == ["b", "a", "b"]
        assert missing(reader, []) == []


def test_what_no_statement_names_goes_when_its_time_is_over(database: Database) -> None:
    now = [0]
    blobs = Blobs(database, Quotas(unnamed_ms=100), now_ms=lambda: now[0])
    kept, gone, renewed = (_put(blobs, name) for name in (b"kept", b"gone", b"renewed"))
    _name(database, kept)
    now[0] = 90
    _put(blobs, b"renewed")
    for now[0], left in ((100, 3), (101, 2), (150, 2), (190, 2), (191, 1), (10_000, 1)):
        blobs.forget_unnamed()
        assert [has(blobs, digest) for digest in (kept, gone, renewed)].count(True) == left, now
    assert has(blobs, kept)


def _put(blobs: Blobs, data: bytes, party: str = PARTY) -> str:
    digest = sha256(data).hexdigest()
    blobs.put(digest, data, party)
    return digest


def _name(database: Database, digest: str, index: int = 0, at_ms: int = 0) -> None:
    """Has an entry name a digest."""
    with aside(database) as connection:
        bulk.insert(connection, table_of(tables.Mentions), [(digest, index)])
        row = (index, at_ms, "task.post", b"{}", bytes(32))
        bulk.insert(connection, table_of(tables.Entries), [row], bulk.Existing.REPLACE)


def test_what_was_named_goes_only_when_nobody_named_it_for_long(database: Database) -> None:
    blobs = Blobs(database, Quotas(), now_ms=lambda: 0)
    old, again = _put(blobs, b"old"), _put(blobs, b"again")
    _name(database, old, 0, at_ms=10)
    _name(database, again, 1, at_ms=10)
    _name(database, again, 2, at_ms=500)
    assert blobs.forget(before_ms=10) == 0
    assert blobs.forget(before_ms=11) == 1
    assert (has(blobs, old), has(blobs, again)) == (False, True)


def test_a_party_has_a_quota_of_what_is_named_and_a_smaller_one_before(database: Database) -> None:
    quotas = Quotas(unnamed_of_party=10, unnamed_in_all=15, of_party=25)
    blobs = Blobs(database, quotas, now_ms=lambda: 0)
    first = _put(blobs, b"12345678")
    assert _refused(blobs, b"abc") == "quota-exceeded"
    _put(blobs, b"abc", "another")
    assert _refused(blobs, b"12345", "a third") == "overloaded"
    _name(database, first)
    _put(blobs, b"abcdefghi")
    _name(database, sha256(b"abcdefghi").hexdigest(), 1)
    assert _refused(blobs, b"ABCDEFGHI") == "quota-exceeded"
    with database.snapshot() as connection:
        assert stored(connection, PARTY) == Stored(17, 0)
        assert stored(connection, "another") == Stored(0, 3)


def _refused(blobs: Blobs, data: bytes, party: str = PARTY) -> str:
    with pytest.raises(TrustError) as refused:
        _put(blobs, data, party)
    return refused.value.code
