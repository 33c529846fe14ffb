"""Agent cards that say who an agent is in a trust network, signed by its key, so that no other can show its scores."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
from a2a.extensions.common import find_extension_by_uri
from a2a.types import AgentCard, AgentCardSignature, AgentExtension
from a2a.utils._jcs import CanonicalizationError
from a2a.utils.signing import _canonicalize_agent_card
from google.protobuf.json_format import MessageToDict, ParseDict

from trust.a2a.extension import URI
from trust.client.statements import Speaker
from trust.core import identity
from trust.core.commands import effective
from trust.core.payloads import AgentRotate
from trust.log import ed25519
from trust.log.succession import LogKey
from trust.programs.hooks import below, standing
from trust.verify.failures import NotProven
from trust.verify.files import verify_scores
from trust.verify.receipts import parse_key, verify_receipt
from trust.verify.scores import AgentScores, NamedScore

DAY_MS = 86_400_000


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """The extension's params: the agent, the log's verifier key, the service's address, the score file and the index of
    its seal. `rotation` is the receipt that gave the agent the key which signs the card, where it is not its first."""

    did: str
    vkey: str
    service: str = ""
    scores: str = ""
    index: int | None = None
    rotation: str = ""


class Peer(msgspec.Struct, frozen=True):
    """An agent whose card holds; `scores` is None where it shows none."""

    did: str
    standing: Standing
    scores: AgentScores | None


def sign_card(card: AgentCard, me: Speaker, standing: Standing) -> AgentCard:
    """Returns a copy of a card with the extension and the agent's signature: a JWS (RFC 7515) by EdDSA over the card's
    canonical JSON, as A2A says, whose `kid` is the DID of the key."""
    signed = AgentCard()
    signed.CopyFrom(card)
    others = [each for each in card.capabilities.extensions if each.uri != URI]
    params = msgspec.to_builtins(standing)
    del signed.signatures[:], signed.capabilities.extensions[:]
    signed.capabilities.extensions.extend(
        [*others, ParseDict({"uri": URI, "description": "trust", "params": params}, AgentExtension())]
    )
    kid = identity.did_of(ed25519.public_key(me.seed))
    header = {"alg": "EdDSA", "kid": kid, "typ": "JOSE"}
    protected = _base64(json.dumps(header, separators=(",", ":")).encode())
    signature = _base64(ed25519.sign(me.seed, _signed_bytes(protected, signed)))
    signed.signatures.append(AgentCardSignature(protected=protected, signature=signature))
    return signed


def check_card(card: AgentCard, key: LogKey) -> Peer:
    """Returns whose card it is, and what the log said about it. `NotProven` where the agent's key did not sign it, or
    where a proof in it does not hold under the log's key, which the caller has from somewhere else."""
    extension = find_extension_by_uri(card, URI)
    try:
        shown = msgspec.convert(
            MessageToDict(extension.params) if extension else None, Standing, strict=False
        )
    except msgspec.ValidationError as error:
        raise NotProven(f"the card's extension {URI}: {error}") from None
    if (network := parse_key(shown.vkey).name) != key.name:
        raise NotProven(f"the card is of the network {network}, not of {key.name}")
    _check_signed(card, _key_of(shown, key))
    scores = verify_scores(shown.scores.encode(), key) if shown.scores else None
    if scores is not None and (scores.agent, scores.index) != (shown.did, shown.index):
        raise NotProven(f"the card shows the scores of {scores.agent} as of entry {scores.index}")
    return Peer(shown.did, shown, scores)


def gate_card(
    card: AgentCard,
    key: LogKey,
    task_kind: str,
    least_ppm: int,
    *,
    now_ms: int,
    role: str = "worker",
    most_age_ms: int = DAY_MS,
) -> NamedScore:
    """Returns the score of a card's agent, without any service. `ClientError` below-score where it is less than
    `least_ppm`, or older than `most_age_ms`: who lost its score may show the one that it had. Raises `NotProven`."""
    peer = check_card(card, key)
    if peer.scores is None:
        raise below(f"{peer.did} shows no scores")
    if now_ms - peer.scores.at_ms > most_age_ms:
        raise below(f"the scores that {peer.did} shows are of {peer.scores.at_ms}: ask for newer ones")
    return standing(peer.scores, peer.did, task_kind, least_ppm, role)


def _key_of(shown: Standing, key: LogKey) -> str:
    """Returns the DID of the key that the agent has, as far as the card proves."""
    if not shown.rotation:
        return shown.did
    proven = verify_receipt(shown.rotation.encode(), key)
    rotation = effective(proven.spoken).payload if proven.spoken else None
    if not isinstance(rotation, AgentRotate) or rotation.actor != shown.did:
        raise NotProven(f"entry {proven.index} gives {shown.did} no key")
    return rotation.new_key


def _check_signed(card: AgentCard, kid: str) -> None:
    try:
        public = identity.key_of(kid)
    except identity.InvalidKey as error:
        raise NotProven(f"the card's did: {error}") from None
    for each in card.signatures:
        try:
            header, signature = json.loads(_bytes(each.protected)), _bytes(each.signature)
            if (header["alg"], header["kid"]) != ("EdDSA", kid):
                continue
            if ed25519.verify(public, _signed_bytes(each.protected, card), signature):
                return
        except (ValueError, LookupError, TypeError, RecursionError, CanonicalizationError):
            continue
    raise NotProven(f"{kid} did not sign the card")


def _signed_bytes(protected: str, card: AgentCard) -> bytes:
    return f"{protected}.{_base64(_canonicalize_agent_card(card).encode())}".encode()


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
