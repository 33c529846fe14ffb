"""From a log's key that the caller trusts to the keys after it: each signs its successor in a `key.adopt` on the log.

A rotation is the receipt of such an entry. The key before signed the statement itself, so its holder named the next
key, whoever signs the checkpoint today; and the receipt says at which entry, which ends the time of the key before.
"""

from __future__ import annotations

from collections.abc import Iterable

from trust.core import envelope, rulebook, strict
from trust.core.commands import Spoken
from trust.core.entry import InvalidEntry, decode_entry
from trust.core.identity import did_of, key_of
from trust.core.payloads import KeyAdopt
from trust.core.receipt import Receipt
from trust.log.note import Verifier
from trust.log.succession import Succession
from trust.verify.failures import NotProven
from trust.verify.receipts import verify_receipt


def follow(first: Verifier, rotations: Iterable[Receipt]) -> Succession:
    """The log's keys from `first` on. Raises `NotProven` where a rotation does not lead on from the key before."""
    ordered = sorted(rotations, key=lambda receipt: receipt.index)
    current, adopted = first, list[tuple[int, Verifier]]()
    for receipt in ordered:
        current = _adopted(receipt, current)
        adopted.append((receipt.index, current))
    keys = Succession.of(first, adopted)
    for receipt in ordered:
        verify_receipt(receipt, keys)
    return keys


def _adopted(receipt: Receipt, before: Verifier) -> Verifier:
    """The key that an entry adopts with the word of the key before it."""
    try:
        incoming = rulebook.incoming_of(decode_entry(strict.b64(receipt.entry)).command)
        rulebook.verify(incoming)
    except (InvalidEntry, strict.Malformed, envelope.BadSignature) as error:
        raise NotProven(f"the rotation at entry {receipt.index}: {error}") from error
    payload = incoming.payload if isinstance(incoming, Spoken) else None
    if not isinstance(incoming, Spoken) or not isinstance(payload, KeyAdopt) or payload.use != "log":
        raise NotProven(f"entry {receipt.index} adopts no key of the log")
    if payload.network != before.name or did_of(before.public_key) not in incoming.signed.signers:
        raise NotProven(f"the rotation at entry {receipt.index} is not signed by {before}")
    return Verifier(before.name, key_of(payload.key))
