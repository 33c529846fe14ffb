"""Bundles: a case that happened is proven offline; whatever is changed in the file or in the log is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audit.networks import ORIGIN, did, signer
from tests.client.services import Script
from tests.verify.cases import KEY, bundled, claim_of, good, network, pool_nodes, refused, troubled
from trust.cli import run
from trust.cli.failures import CANNOT_CHECK, FALSE, GOOD
from trust.client.exchanges import Exchanges
from trust.client.transports import Transport
from trust.client.wire import Request, Response
from trust.core import bundle
from trust.core.strict import b64
from trust.verify.bundles import verify_bundle
from trust.verify.cases import Case
from trust.verify.failures import NotProven
from trust.verify.files import verify_file

Change = Callable[[dict[str, Any]], object]


def altered(change: Change, worker: str = "mallory") -> bytes:
    """The bundle after its JSON was changed."""
    members = json.loads(good(worker))
    change(members)
    return json.dumps(members, separators=(",", ":")).encode()


# -- what is proven


def test_a_rejected_claim_is_proven_with_its_panel_votes_and_slash() -> None:
    case = verify_bundle(good(), KEY)
    assert (case.network, case.worker, case.requester) == (ORIGIN, did("mallory"), did("alice"))
    assert (case.state, case.verdict, case.checked, case.slashed_units) == ("rejected", "fail", True, 200)
    (panel,) = case.panels
    assert [seat.verdict for seat in panel.seats] == ["fail"] * 3
    assert panel.passed is not None
    assert case.relay_signers == (did("relay"),)
    assert all(sum(change for _, change in changes) == 0 for _, _, changes in case.postings)
    assert any(why == "slash.failed-check" for _, why, _ in case.postings)


def test_accepted_and_expired_claims_are_proven_too() -> None:
    accepted = verify_bundle(good("bob"), KEY)
    assert (accepted.state, accepted.verdict, accepted.slashed_units) == ("accepted", "pass", 0)
    assert verify_bundle(good("lena"), KEY).state == "expired"


@pytest.mark.parametrize(
    ("worker", "state", "seats"),
    [
        ("withholds", "rejected", {"seated"}),
        ("unvoted", "voided", {"passed"}),
        ("unrevealed", "voided", {"silent", "passed"}),
        ("gives-up", "abandoned", set()),
    ],
)
def test_a_check_that_came_to_nothing_is_proven_for_what_it_was(
    worker: str, state: str, seats: set[str]
) -> None:
    case = verify_bundle(bundled(troubled(), claim_of(troubled(), worker)).encode(), KEY)
    assert case.state == state
    assert {seat.state for panel in case.panels for seat in panel.seats} == seats
    assert case.slashed_units == (200 if state == "rejected" else 0)


def test_a_client_hands_out_only_the_bundle_that_it_asked_for_and_verified() -> None:
    claim, other = claim_of(network(), "mallory"), claim_of(network(), "bob")
    script = Script(lambda request: Response(200, good()))
    assert script.run(Exchanges(KEY).bundle(claim)) == good()
    assert script.requests[0].path == f"/v1/claims/{claim}/bundle"
    with pytest.raises(NotProven, match="asked for the bundle of"):
        script.run(Exchanges(KEY).bundle(other))
    with pytest.raises(NotProven):
        Script(lambda request: Response(200, b"{}")).run(Exchanges(KEY).bundle(claim))


def test_the_command_line_tells_what_a_bundle_proves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "case.json"
    path.write_bytes(good())
    assert run(["receipt", "verify", str(path), "--key", str(KEY)]) == GOOD
    told = capsys.readouterr().out
    assert "fail, fail, fail: fail; seats as the draw has it" in told
    assert run(["receipt", "verify", str(path), "--key", str(KEY), "--json"]) == GOOD
    shown = json.loads(capsys.readouterr().out)
    assert (shown["verified"], shown["state"], len(shown["panels"])) == ("bundle", "rejected", 1)
    path.write_bytes(good().replace(b'"index":0', b'"index":1'))
    assert run(["receipt", "verify", str(path), "--key", str(KEY)]) == FALSE
    assert "genesis" in capsys.readouterr().err


def test_the_command_line_writes_a_bundle_as_it_came(
    capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = claim_of(network(), "mallory")

    def answered(request: Request) -> Response:
        if request.path.endswith("/checkpoint"):
            return Response(200, json.loads(good())["checkpoint"].encode())
        return Response(200, good())

    monkeypatch.setattr(Transport, "run", lambda self, talk: Script(answered).run(talk))
    asked = ["bundle", claim, "--url", "http://127.0.0.1:9", "--vkey", str(KEY)]
    assert run(asked) == GOOD
    assert capsysbinary.readouterr().out == good()


def test_a_file_with_a_bundle_is_verified_as_one() -> None:
    assert verify_file(good(), KEY) == verify_bundle(good(), KEY)


def test_a_case_that_goes_on_is_proven_as_far_as_it_came() -> None:
    world = network()
    claim = claim_of(world, "mallory")
    whole = bundled(world, claim)
    cut = msgspec.structs.replace(whole, entries=whole.entries[:-1])
    used = {place for each in cut.entries for place in each.path}
    order = {place: at for at, place in enumerate(sorted(used))}
    entries = tuple(
        msgspec.structs.replace(each, path=tuple(order[place] for place in each.path)) for each in cut.entries
    )
    hashes = tuple(cut.hashes[place] for place in order)
    case = verify_bundle(msgspec.structs.replace(cut, entries=entries, hashes=hashes).encode(), KEY)
    assert case.state != "rejected"


def test_without_the_pools_nodes_the_seats_are_not_said_to_be_traced() -> None:
    case = verify_bundle(altered(lambda file: file.update(pool=[])), KEY)
    assert case.panels[0].passed is None


# -- the file


@settings(max_examples=150)
@given(st.data())
def test_any_changed_byte_is_refused_or_changes_no_fact(data: st.DataObject) -> None:
    file = good()
    at = data.draw(st.integers(0, len(file) - 1))
    byte = data.draw(st.integers(0, 255))
    try:
        case = verify_bundle(file[:at] + bytes([byte]) + file[at + 1 :], KEY)
    except NotProven:
        return
    assert case == verify_bundle(file, KEY)


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_a_file_that_was_cut_short_is_refused(cut: int) -> None:
    refused(good()[: cut % (len(good()) - 1)], "the bundle")


def test_another_logs_key_refuses_the_bundle() -> None:
    for other in (signer("other").verifier, signer(origin="elsewhere.example/log").verifier):
        with pytest.raises(NotProven, match="the bundle"):
            verify_bundle(good(), other)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda file: file.update(format="trust/bundle/v2"), "format|Invalid"),
        (lambda file: file.update(more=1), "unknown field"),
        (lambda file: file.update(claim="clm_" + "a" * 26), "no draw visited|no entry opens"),
        (lambda file: file["entries"].pop(0), "genesis, is missing"),
        (lambda file: file["entries"].clear(), "genesis, is missing"),
        (lambda file: file["entries"].reverse(), "genesis|order"),
        (lambda file: file["entries"].append(file["entries"][-1]), "order"),
        (lambda file: file["entries"][1].update(index=2**53), "2\\^53-1"),
        (lambda file: file["entries"][1]["path"].append(0), "entry [0-9]+: the path has"),
        (lambda file: file["entries"][1]["path"].append(-1), "exactly its hashes"),
        (lambda file: file["hashes"].append("A" * 43 + "="), "exactly its hashes"),
        (lambda file: file["hashes"].append(file["hashes"][0]), "twice"),
        (lambda file: file["hashes"].append("AA=="), "the bundle"),
        (lambda file: file["pool"].append("AAAA"), "no draw visited"),
        (lambda file: file["pool"].append(file["pool"][0]), "twice"),
        (lambda file: file.update(pool=["AAAA"]), "entry [0-9]+: the bundle's pool lacks node"),
    ],
)
def test_a_file_that_is_not_what_it_must_be_is_refused_in_words(change: Change, match: str) -> None:
    refused(altered(change), match)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"[]", b"null", b"\xff", b'{"format":"trust/bundle/v1"}',
        b'{"format":' + b"[" * 100_000, b'{"format":"trust/bundle/v1","entries":' + b'[' * 50 + b"]" * 50 + b"}",
    ],
)  # fmt: skip
def test_a_file_that_is_no_bundle_at_all_is_refused(data: bytes) -> None:
    refused(data, "the bundle")
    with pytest.raises(NotProven):
        verify_file(data, KEY)


def test_duplicate_keys_and_more_bytes_than_allowed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    refused(good().replace(b'{"format"', b'{"claim":"x","format"', 1), "more than once")
    monkeypatch.setattr(bundle, "MAX_BUNDLE_BYTES", len(good()) - 1)
    refused(good(), "are allowed")


def test_an_entry_that_is_left_out_makes_no_other_story() -> None:
    """Without it the file is refused, or proves less: never another verdict or end."""
    whole, world = verify_bundle(good(), KEY), network()
    full = bundled(world, whole.claim)
    told: list[Case] = []
    for gone in range(len(full.entries)):
        kept = [each for at, each in enumerate(full.entries) if at != gone]
        proven = [
            (each.index, world.entries[each.index], [b64(full.hashes[place]) for place in each.path])
            for each in kept
        ]
        file = bundle.pack(whole.claim, full.checkpoint.encode(), proven, pool_nodes(world, whole.claim))
        with suppress(NotProven):
            told.append(verify_bundle(file.encode(), KEY))
    assert len(told) < len(full.entries) / 2
    assert all(case.verdict in ("", whole.verdict) for case in told)
    assert all(case.state == whole.state or not case.slashed_units for case in told)


@pytest.mark.parametrize(
    ("old", "new"), [(b'"kind":"claim.opened"', b'"kind":"claim.opened.2"'), (b'"v":1', b'"v":2')]
)
def test_a_bundle_of_a_newer_release_cannot_be_checked(
    old: bytes, new: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = network()
    claim = claim_of(world, "bob")
    index, data = next(
        pair for pair in enumerate(world.entries) if f'"claim.opened","claim":"{claim}'.encode() in pair[1]
    )
    file = tmp_path / "bundle.json"
    file.write_bytes(bundled(world, claim, {index: data.replace(old, new)}).encode())
    assert run(["receipt", "verify", str(file), "--key", str(KEY)]) == CANNOT_CHECK
    assert f"entry {index}" in (said := capsys.readouterr().err)
    assert "newer" in said


@pytest.mark.parametrize(("rules", "release"), [(1, "needs trust 0.1"), (7, "needs a newer trust")])
@pytest.mark.parametrize("also", [{}, {"insurance": {}}], ids=["terms of today", "terms of its own"])
def test_a_bundle_of_rules_unknown_here_cannot_be_checked(
    rules: int, release: str, also: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = network()
    genesis = json.loads(world.entries[0])
    genesis["command"]["genesis"].update(rules=rules, **also)
    data = json.dumps(genesis, separators=(",", ":")).encode()
    file = tmp_path / "bundle.json"
    file.write_bytes(bundled(world, claim_of(world, "bob"), {0: data}).encode())
    assert run(["receipt", "verify", str(file), "--key", str(KEY)]) == CANNOT_CHECK
    assert release in capsys.readouterr().err
