"""What callers see of a network with witnesses, and of one without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.house import JSON, House, body_of, house
from tests.core.witnesses import two_of_three
from tests.services.statements import Party
from tests.services.witnesses import honest_ones
from trust.api.views.readiness import NO_SECOND_PLACE
from trust.log.note import Signer
from trust.log.quorum import open_with_quorum, parse_quorum
from trust.verify.receipts import parse_key

LOG = Signer("trust.example.org/test", Party("log").seed)
QUORUM = parse_quorum(two_of_three())


@pytest.fixture
def alone(tmp_path: Path, sqlite_url: str) -> Iterator[House]:
    """A service whose witnesses have no address."""
    with house(tmp_path, sqlite_url, quorum=two_of_three()) as home:
        yield home


def test_without_witnesses_ready_warns_that_the_head_has_no_second_place(home: House) -> None:
    ready = home.get("/health/ready")
    assert ready["status"] == "ready"
    assert ready["warnings"] == [NO_SECOND_PLACE]
    assert {"writer", "verifying", "cosigning", "job draws"} <= {each["name"] for each in ready["threads"]}
    assert not any(each["wrong"] for each in ready["threads"])
    assert "witnesses" not in ready
    assert "trust_quorum_missing_ms 0.0" in home.client.get("/metrics").text


def test_before_the_first_quorum_there_is_no_checkpoint_and_writes_are_answered(alone: House) -> None:
    answer = alone.client.get("/log/checkpoint")
    assert (answer.status_code, answer.json()["code"]) == (503, "no-quorum")
    assert answer.headers["retry-after"]
    said = alone.done("/v1/agents", alone.register(alone.requester))
    assert alone.get(f"/v1/receipts/{said['receipt']['index']}")["proof"].count("\n\N{EM DASH} ") == 1
    assert alone.client.get("/log/tile/0/000.p/1").status_code == 200
    ready = alone.get("/health/ready")
    assert ready["status"] == "ready"
    assert ready["witnesses"]["cosigned_size"] == 0


def test_a_service_with_witnesses_shows_what_they_cosigned(tmp_path: Path, sqlite_url: str) -> None:
    with honest_ones(tmp_path, LOG.verifier, "w1", "w3") as urls:
        changes = {"witnesses": tuple(urls), "witness_interval_ms": 50}
        with house(tmp_path, sqlite_url, changes, quorum=two_of_three(), epoch_ms=600_000) as home:
            assert parse_key(home.vkey) == LOG.verifier
            home.done("/v1/agents", home.register(home.requester))
            home.wait(lambda: home.get("/health/ready")["witnesses"]["cosigned_size"] == 2)
            note = home.client.get("/log/checkpoint").content
            ready = home.get("/health/ready")["witnesses"]
            metrics = home.client.get("/metrics").text
    checkpoint, cosigned = open_with_quorum(note, LOG.verifier, QUORUM)
    assert checkpoint.size == 2
    assert QUORUM.summary(cosigned) == "2 of 3 witnesses: w1, w3"
    assert [each["state"] for each in ready["asked"]] == ["cosigned", "cosigned"]
    assert [each["names"] for each in ready["asked"]] == [
        [f"witness.example.org/{label}"] for label in ("w1", "w3")
    ]
    assert "trust_cosigned_entries 2.0" in metrics


def test_no_claim_is_taken_while_the_witnesses_are_silent_and_everything_else_is(
    tmp_path: Path, sqlite_url: str
) -> None:
    with house(tmp_path, sqlite_url, quorum=two_of_three(), draw_ms=2_000) as home:
        home.relay = "rly_" + "a" * 26
        claim = home.claim("t", 1, home.workers[0])
        answer = home.wait(
            lambda: refused if (refused := home.post_to("/v1/claims", claim)).status_code == 503 else None
        )
        assert (answer.json()["code"], "retry-after" in answer.headers) == ("no-quorum", True)
        assert home.post_to("/v1/agents", home.register(home.requester)).status_code == 201
        batch = home.client.post("/v1/statements", content=b"[" + body_of(claim) + b"]", headers=JSON)
        assert [each["code"] for each in batch.json()["results"]] == ["no-quorum"]
