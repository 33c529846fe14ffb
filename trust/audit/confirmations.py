"""The evidence against a relay that confirmed a claim which the log does not have: its word beside two receipts."""

from __future__ import annotations

import json

import msgspec

from trust.audit.fetching import Source
from trust.audit.report import Progress
from trust.audit.stateless_checks import Piece, entries_of
from trust.client import TrustClient
from trust.client.statements import opened
from trust.core.payloads import ClaimRequest, RelayConfirm
from trust.core.receipt import Receipt
from trust.errors import ClientError
from trust.log.succession import peek_checkpoint
from trust.log.tiles import TILE_WIDTH
from trust.verify.receipts import ConfirmEvidence, FalseConfirmation, Proven, verify_false_confirmation


def evidence_of(
    signed: bytes, client: TrustClient, source: Source, relay: str, progress: Progress
) -> tuple[bytes, FalseConfirmation]:
    """The file that convicts a relay of a signed `relay.confirm`, and what it proves. `NotProven` where it told the
    truth. `relay` is its id where the entry that it names does not say, else ""."""
    spoken = opened(signed)
    confirmed = spoken.payload
    if not isinstance(confirmed, RelayConfirm):
        raise ClientError("not-evidence", "this is no relay.confirm")
    named, proven = client.receipt(confirmed.index)
    index = _registered(source, relay or _relay_of(proven, confirmed, client), progress)
    file = ConfirmEvidence("relay-confirm", spoken.signed.envelope, named, _receipt(client, index))
    data = msgspec.json.encode(file) + b"\n"
    return data, verify_false_confirmation(data, client.exchanges.key)


def _receipt(client: TrustClient, index: int) -> Receipt:
    return client.receipt(index)[0]


def _relay_of(named: Proven, confirmed: RelayConfirm, client: TrustClient) -> str:
    """The relay of the claim in the entry, else of the claim that the confirmation names."""
    claimed = named.spoken.payload if named.spoken else None
    if isinstance(claimed, ClaimRequest):
        return claimed.relay
    return str(client.claim(confirmed.claim).get("relay", ""))


def _registered(source: Source, relay: str, progress: Progress) -> int:
    """Which entry registered a relay: found by reading the log, and proven by its receipt afterwards."""
    size = peek_checkpoint(source.checkpoint()).size
    for start in range(0, size, TILE_WIDTH):
        end = min(size, start + TILE_WIDTH)
        progress(end, size)
        piece = Piece(start, end, (source.bundle(start // TILE_WIDTH, end - start),), (None,))
        for index, data in enumerate(entries_of(piece), start):
            if _registers(data, relay):
                return index
    raise ClientError("unknown-relay", f"no entry of the log registers {relay}", hint="name it with --relay")


def _registers(data: bytes, relay: str) -> bool:
    if b"relay.registered" not in data or relay.encode() not in data:
        return False
    try:
        events = json.loads(data)["events"]
        return any(each["kind"] == "relay.registered" and each["relay"] == relay for each in events)
    except (ValueError, KeyError, TypeError):
        return False
