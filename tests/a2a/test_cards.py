"""A card shows an agent's scores to whoever has the log's key, and nobody shows those of somebody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

pytest.importorskip("a2a", reason="the extra a2a is not installed")

from a2a.types import AgentCapabilities, AgentCard, AgentExtension, AgentInterface, AgentSkill
from a2a.utils.signing import create_signature_verifier
from jwt import PyJWK

from tests.audit.networks import ORIGIN, did, seed_of
from tests.javascript.logs import KEY, rows, score_file
from trust.a2a.cards import DAY_MS, Standing, check_card, gate_card, sign_card
from trust.a2a.extension import URI
from trust.client.statements import Speaker
from trust.core import identity
from trust.core.strict import base64_of
from trust.errors import ClientError
from trust.log.note import COSIGNATURE_V1, Signer
from trust.verify.failures import NotProven

KIND = "code-review"
ELSEWHERE = str(Signer("x.example", bytes(32)).verifier)
NAMES = {did(name): name for name in ("alice", "bob", "carol")}
FIRST, LEFT = rows()[0].agent, next(row.agent for row in rows() if row.left)
ME = Speaker(ORIGIN, seed_of(NAMES[FIRST]))
OTHER = Speaker(ORIGIN, seed_of(NAMES[rows()[-1].agent]))


def standing(agent: str = FIRST) -> Standing:
    places = [place for place, row in enumerate(rows()) if row.agent == agent]
    shown = [each for each in range(places[0] - 1, places[-1] + 2) if 0 <= each < len(rows())]
    file = score_file(shown, agent).encode().decode()
    return Standing(agent, str(KEY), "https://trust.example.org", file, 5)


def card(**fields: Any) -> AgentCard:
    return AgentCard(
        name="réviseur \U0001d11e",
        description="Reviews code.",
        version="1",
        supported_interfaces=[
            AgentInterface(url="http://127.0.0.1:1/", protocol_binding="JSONRPC", protocol_version="1.0")
        ],
        capabilities=AgentCapabilities(streaming=True, extensions=[AgentExtension(uri="urn:another:1")]),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[AgentSkill(id="review", name="review", description="reviews", tags=["code"])],
        **fields,
    )


def over_the_wire(signed: AgentCard) -> AgentCard:
    received = AgentCard()
    received.ParseFromString(signed.SerializeToString())
    return received


def test_a_card_proves_its_agent_and_the_scores_that_gate_it() -> None:
    signed = over_the_wire(sign_card(card(), ME, standing()))
    peer = check_card(signed, KEY)
    assert peer.did == FIRST
    assert peer.scores is not None
    now_ms = peer.scores.at_ms + 1
    score = gate_card(signed, KEY, KIND, 1, now_ms=now_ms)
    assert (score.role, score.task_kind) == ("worker", KIND)
    assert score.priority_ppm > 0
    assert {each.uri for each in signed.capabilities.extensions} == {"urn:another:1", URI}
    shut = {"task_kind": KIND, "least_ppm": score.priority_ppm + 1, "now_ms": now_ms}
    old = {"task_kind": KIND, "least_ppm": 1, "now_ms": now_ms + DAY_MS}
    for terms in (shut, old, shut | {"task_kind": "poetry", "least_ppm": 1}):
        with pytest.raises(ClientError, match="below-score"):
            gate_card(signed, KEY, **terms)  # type: ignore[arg-type]
    assert gate_card(signed, KEY, "poetry", 0, now_ms=now_ms).events == 0


def test_other_implementations_of_a2a_verify_the_signature() -> None:
    def key_of(kid: str | None, _: str | None) -> PyJWK:
        x = base64_of(identity.key_of(kid or "")).replace("+", "-").replace("/", "_").rstrip("=")
        return PyJWK({"kty": "OKP", "crv": "Ed25519", "x": x}, "EdDSA")

    create_signature_verifier(key_of, ["EdDSA"])(over_the_wire(sign_card(card(), ME, standing())))


def test_signing_again_replaces_what_was_shown_before() -> None:
    once = sign_card(card(), ME, msgspec.structs.replace(standing(), scores="", index=None))
    again = sign_card(once, ME, standing())
    assert len(again.signatures) == 1
    assert check_card(once, KEY).scores is None
    assert check_card(again, KEY).scores is not None
    with pytest.raises(ClientError, match="shows no scores"):
        gate_card(once, KEY, KIND, 1, now_ms=0)


def _of_another_address(signed: AgentCard) -> None:
    signed.supported_interfaces[0].url = "http://127.0.0.1:2/"


def _unsigned(signed: AgentCard) -> None:
    del signed.signatures[:]


def _garbage(signed: AgentCard) -> None:
    signed.signatures[0].protected = "%%%"


def _without_extension(signed: AgentCard) -> None:
    del signed.capabilities.extensions[:]


def _half_an_index(signed: AgentCard) -> None:
    signed.capabilities.extensions[-1].params["index"] = 5.5


@pytest.mark.parametrize(
    "change", [_of_another_address, _unsigned, _garbage, _without_extension, _half_an_index]
)
def test_a_changed_card_proves_nothing(change: Callable[[AgentCard], None]) -> None:
    signed = sign_card(card(), ME, standing())
    change(signed)
    with pytest.raises(NotProven):
        check_card(signed, KEY)


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        (standing(), "did not sign"),
        (msgspec.structs.replace(standing(), did=OTHER.actor), "scores of"),
        (msgspec.structs.replace(standing(OTHER.actor), index=4), "as of entry"),
        (msgspec.structs.replace(standing(OTHER.actor), did="did:key:nobody"), "did"),
        (msgspec.structs.replace(standing(OTHER.actor), vkey="no key"), "verifier key"),
        (msgspec.structs.replace(standing(OTHER.actor), vkey=ELSEWHERE), "x.example"),
        (msgspec.structs.replace(standing(OTHER.actor), rotation="{}"), "receipt"),
    ],
)  # fmt: skip
def test_an_agent_cannot_show_what_is_not_its_own(shown: Standing, why: str) -> None:
    with pytest.raises(NotProven, match=why):
        check_card(sign_card(card(), OTHER, shown), KEY)


def test_scores_under_another_logs_key_of_the_same_name_prove_nothing() -> None:
    with pytest.raises(NotProven):
        check_card(sign_card(card(), ME, standing()), Signer(KEY.name, bytes(32), COSIGNATURE_V1).verifier)


def test_who_was_revoked_is_let_in_nowhere() -> None:
    me = Speaker(ORIGIN, seed_of(NAMES[LEFT]))
    with pytest.raises(ClientError, match="revoked"):
        gate_card(sign_card(card(), me, standing(LEFT)), KEY, KIND, 0, now_ms=1)
