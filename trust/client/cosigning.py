"""An envelope passed round: coordinators add their signatures until there are as many as the relay's threshold.

Nobody is trusted on the way. What comes back must be the same payload with one more signature that holds, by a
coordinator of the group; whoever is dead, refuses or answers anything else is passed over, so one of three can neither
block two nor slip something else under their names (docs/rules.md 8).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trust.client.statements import opened
from trust.core import envelope, strict
from trust.errors import ClientError, TrustError

Ask = Callable[[bytes], bytes]
"""How a coordinator is asked: an envelope in, the same with its signature out."""

SILENT = (OSError, TrustError, ValueError)
"""What asking a coordinator may raise where there is no answer to be had from it."""


def collect(signed: bytes, coordinators: Mapping[str, Ask], threshold: int) -> bytes:
    """The envelope with the signatures of `threshold` coordinators, asked in order by the DIDs of their keys.

    `ClientError` threshold-not-met where too few sign; `reasons` say what came of each.
    """
    reasons: list[str] = []
    for did, ask in coordinators.items():
        if _count(signed, coordinators) >= threshold:
            break
        try:
            signed = _added(signed, ask(signed), did)
        except SILENT as error:
            reasons.append(f"{did}: {error}")
    if (count := _count(signed, coordinators)) < threshold:
        raise ClientError(
            "threshold-not-met", f"{count} of {threshold} coordinators signed", reasons=tuple(reasons)
        )
    return signed


def _count(signed: bytes, coordinators: Mapping[str, Ask]) -> int:
    return len(coordinators.keys() & set(opened(signed).signed.signers))


def _added(before: bytes, after: bytes, did: str) -> bytes:
    """What came back, where it is what was sent and the signature of `did`."""
    sent, got = opened(before).signed, opened(after).signed
    if got.payload != sent.payload:
        raise strict.Malformed("another statement came back")
    if set(got.signers) != {*sent.signers, did}:
        raise strict.Malformed("it does not have this signature, or has others too")
    envelope.verify(got)
    return after
