"""A blob is the bytes that its digest names, or it is not here."""

from __future__ import annotations

from hashlib import sha256

import pytest

from trust.errors import TrustError
from trust.services.blobs import Blobs, missing
from trust.storage.engine import Database
from trust.storage.reading import reading

DATA = bytes(range(256)) * 16
DIGEST = sha256(DATA).hexdigest()


@pytest.fixture
def blobs(database: Database) -> Blobs:
    return Blobs(database, max_bytes=len(DATA), now_ms=lambda: 1_000)


def test_what_was_put_is_given_back_and_is_new_once(blobs: Blobs) -> None:
    assert not blobs.has(DIGEST)
    assert blobs.put(DIGEST, DATA)
    assert not blobs.put(DIGEST, DATA)
    assert blobs.has(DIGEST)
    assert blobs.get(DIGEST) == DATA


def test_an_empty_blob_is_a_blob(blobs: Blobs) -> None:
    digest = sha256(b"").hexdigest()
    assert blobs.put(digest, b"")
    assert blobs.get(digest) == b""


def test_bytes_that_the_digest_does_not_name_are_refused(blobs: Blobs) -> None:
    with pytest.raises(TrustError, match="digest-mismatch"):
        blobs.put(DIGEST, DATA[:-1])
    assert not blobs.has(DIGEST)


def test_more_bytes_than_the_policy_allows_are_refused(blobs: Blobs) -> None:
    with pytest.raises(TrustError, match="too-large"):
        blobs.put(DIGEST, DATA + b"x")


@pytest.mark.parametrize("digest", [DIGEST, "", "no digest", "'; DROP TABLE blobs"])
def test_a_blob_that_is_not_here_is_unknown(blobs: Blobs, digest: str) -> None:
    with pytest.raises(TrustError, match="unknown-blob"):
        blobs.get(digest)


def test_what_is_missing_of_many_is_told_in_order(blobs: Blobs, database: Database) -> None:
    blobs.put(DIGEST, DATA)
    with reading(database) as reader:
        assert missing(reader, ["b", DIGEST, "a", "b"]) == ["b", "a", "b"]
        assert missing(reader, []) == []


def test_what_is_old_can_be_forgotten(database: Database) -> None:
    for number in range(4):
        data = b"%d" % number
        Blobs(database, 10, now_ms=lambda at=number: at).put(sha256(data).hexdigest(), data)  # type: ignore[misc]
    assert Blobs(database, 10).forget(before_ms=2) == 2
    assert Blobs(database, 10).get(sha256(b"2").hexdigest()) == b"2"
