"""Bytes are taken where the log names them, or for a while from a party that signs for them; others store nothing."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.api.house import House, house, settings_for
from tests.services.statements import Party
from tests.storage.stores import without_lists
from trust.app import build
from trust.core import payloads, uploads
from trust.services.rebuilding import rebuild
from trust.storage.migrations import upgrade

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A town whose service keeps 1,000 bytes for each party before a statement names them."""
    directory = tmp_path_factory.mktemp("narrow")
    changes = {"blob_unnamed_bytes": 1_000}
    url = f"sqlite:///{directory / 'trust.db'}"
    with house(directory, url, changes, score_epoch_ms=600_000) as running:
        running.settle_in()
        yield running


def _put(home: House, data: bytes, upload: str = "") -> tuple[int, str]:
    headers = {uploads.HEADER: upload} if upload else {}
    answer = home.client.put(f"/v1/blobs/{sha256(data).hexdigest()}", content=data, headers=headers)
    return answer.status_code, answer.json().get("code", "")


def _sums(home: House, party: Party) -> Any:
    return home.get(f"/v1/agents/{party.did}")["blobs"]


def test_a_stranger_stores_nothing(narrow: House) -> None:
    data, stranger, worker = b"fill the disk", Party("stranger"), narrow.workers[0]
    digest, now = sha256(data).hexdigest(), time.time_ns() // 1_000_000
    before = narrow.get("/v1/stats")["blob_bytes"]

    def signed(by: Party, until_ms: int = now + 60_000, of: str = digest, party: str = "") -> str:
        return uploads.upload(narrow.origin, party or by.did, by.seed, of, until_ms)

    foreign = uploads.upload("trust.example.org/other", worker.did, worker.seed, digest, now + 60_000)
    for upload, refused in (
        ("", (403, "unnamed-blob")),
        ("nonsense", (400, "bad-parameter")),
        (f"{worker.did} {now} {'A' * 85}B==", (400, "bad-parameter")),  # no canonical base64
        (f"{worker.did} {'9' * 16} {'A' * 86}==", (410, "expired")),
        (signed(stranger), (404, "unknown-agent")),
        (signed(stranger, party=worker.did), (401, "bad-signature")),
        (signed(worker, of="0" * 64), (401, "bad-signature")),
        (foreign, (401, "bad-signature")),
        (signed(worker, now - 1), (410, "expired")),
        (signed(worker, now + 2 * HOUR_MS), (410, "expired")),
    ):
        assert _put(narrow, data, upload) == refused
    assert narrow.get("/v1/stats")["blob_bytes"] == before


def test_before_a_statement_names_them_bytes_have_a_small_quota_and_then_count_as_named(
    narrow: House,
) -> None:
    requester, spec = narrow.requester, b"s" * 900
    assert narrow.store(spec, requester).status_code == 201
    assert _sums(narrow, requester) == {"named_bytes": 0, "unnamed_bytes": 900}
    refused = narrow.store(b"t" * 101, requester)
    assert (refused.status_code, refused.json()["code"]) == (413, "quota-exceeded")
    narrow.done("/v1/tasks", narrow.task_post("specified", spec_sha256=sha256(spec).hexdigest()))
    assert _sums(narrow, requester) == {"named_bytes": 900, "unnamed_bytes": 0}
    assert narrow.store(b"t" * 101, requester).status_code == 201


def test_what_the_log_names_is_taken_from_anybody_and_counts_as_its_namers(narrow: House) -> None:
    worker, data = narrow.workers[0], b"o" * 5_000
    claim = narrow.claimed("delivered-late")
    artifact = payloads.Artifact(name="a", sha256=sha256(data).hexdigest(), size_bytes=len(data))
    said = narrow.say(payloads.OutputSubmit, worker, claim=claim, artifacts=(artifact,))
    assert _put(narrow, data) == (403, "unnamed-blob")
    narrow.done("/v1/outputs", said)
    before = _sums(narrow, worker)["named_bytes"]
    assert _put(narrow, data) == (201, "")
    assert _put(narrow, data) == (200, "")
    assert _sums(narrow, worker)["named_bytes"] == before + len(data)


def test_an_upgrade_finds_what_entries_name_as_a_rebuild_does(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'trust.db'}"
    with house(tmp_path, url) as home:
        home.settle_in(verifiers=3)
        home.checked("checked", "pass")
        size = home.get("/v1/stats")["size"]
    with closing(sqlite3.connect(tmp_path / "trust.db")) as database, database:
        made, listed = _digests(database), _listed(database)
        assert len(made) >= 2
        assert all(kind for _, kind in listed)
        _before_0003(database)
        database.execute("DELETE FROM mentions WHERE length(subject) = 64")
        database.execute("DROP INDEX ix_blobs_party")
        database.execute("ALTER TABLE blobs DROP COLUMN party")
        database.execute("UPDATE alembic_version SET version_num = '0001'")
    upgrade(url)
    with closing(sqlite3.connect(tmp_path / "trust.db")) as database:
        assert _digests(database) == made
        assert _listed(database) == listed
    assert size
    parts = build(settings_for(tmp_path, url))
    rebuild(parts.database)
    parts.database.close()
    with closing(sqlite3.connect(tmp_path / "trust.db")) as database:
        assert _digests(database) == made


def _before_0003(database: sqlite3.Connection) -> None:
    """Takes back what migrations 0003 and 0004 made."""
    without_lists(database.execute)
    database.execute("ALTER TABLE tasks DROP COLUMN reopened_ms")
    database.execute("ALTER TABLE claims DROP COLUMN waited_ms")
    database.execute("DROP TABLE overhead")


def _listed(database: sqlite3.Connection) -> list[Any]:
    return database.execute("SELECT id, task_kind FROM claims ORDER BY id").fetchall()


def _digests(database: sqlite3.Connection) -> list[Any]:
    return database.execute(
        'SELECT subject, "index" FROM mentions WHERE length(subject) = 64 ORDER BY subject, "index"'
    ).fetchall()
