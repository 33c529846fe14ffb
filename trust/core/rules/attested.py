"""Attested statements: those that the service did not take in time count where a relay attests that it was shown them
in time.

Specified in docs/rules.md 8.

1. The threshold of a relay, the claim's or another, says that it was shown what a worker or a verifier owes at a time
   within its window: an output, a renewal or a giving up within the lease, an opening, a commitment, a reveal. The
   statement stands in it whole, and is judged as if it had been made then.
2. It counts until the grace after the window is over (`windows.grace_ms`). The grace is waited only where somebody is
   silent: a window ends early once everybody acted.
3. A relay that lies for a friend makes a window longer by the grace, and nothing else.
"""

from __future__ import annotations

from trust.core import payloads as p
from trust.core.commands import enclosed, spoken
from trust.core.envelope import open_envelope
from trust.core.records import Claim, Relay, Seat
from trust.core.refusal import Refused
from trust.core.rules import reads, signing
from trust.core.rules.acts import ACTS, act
from trust.core.rules.decision import Decision
from trust.core.rules.reads import Keys, Peek


def _attesting(view: Peek, attestation: p.RelayAttest) -> Keys:
    shown = spoken(open_envelope(attestation.statement.encode())).payload
    if attestation.relay is not None:
        yield Relay, attestation.relay
    if (registered := ACTS.get(type(shown))) is not None:
        yield from reads.party(shown.actor)
        yield from registered.reads(view, shown)


@act(p.RelayAttest, reads=_attesting)
def attest(d: Decision, attestation: p.RelayAttest) -> None:
    """Carries out the statement that a relay attests it was shown in time."""
    [shown] = enclosed(attestation)
    registered = ACTS.get(type(shown.payload))
    if registered is None or not registered.is_attestable:
        raise Refused("not-attested", f"a {p.kind_of(shown.payload)} counts only where the service took it")
    own = _claim_of(d, shown.payload).relay
    relay = d.find(Relay, attestation.relay or own)
    if attestation.actor not in relay.coordinators:
        raise Refused("not-coordinator", f"{attestation.actor} is no coordinator of {relay.id}")
    d.signed_by_relay(d.spoken, relay)
    if relay.suspended:
        raise Refused("relay-suspended", f"{relay.id} is suspended: its word counts for nothing")
    _check_time(d, shown.payload, attestation.shown_ms)
    signing.check(d, shown)
    registered.do(d, shown.payload, attestation.shown_ms)


def _claim_of(d: Decision, statement: p.Payload) -> Claim:
    if isinstance(statement, p.OutputSubmit | p.ClaimRenew | p.ClaimAbandon | p.OutputOpen):
        return d.find(Claim, statement.claim)
    assert isinstance(statement, p.ItemsOpen | p.VoteCommit | p.VoteReveal)
    return d.need(Claim, d.find(Seat, statement.seat).claim)


def _check_time(d: Decision, shown: p.Payload, shown_ms: int) -> None:
    if shown.network != d.network.origin:
        raise Refused("foreign-network", f"this is {d.network.origin}")
    if shown_ms > d.at_ms:
        raise Refused("issued-in-future", f"nothing was shown at {shown_ms}, after {d.at_ms}")
    lives_ms = shown.expires_ms - shown.issued_ms
    if not shown.issued_ms <= shown_ms < shown.expires_ms or lives_ms > p.MAX_LIFETIME_MS:
        raise Refused("expired", f"the statement did not count at {shown_ms}, when it was shown")
