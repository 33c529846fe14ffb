"""The one tree of errors: what a caller is told when something is refused, and what to do next.

A code is fixed for ever once released (docs/protocol.md 5): clients branch on it. The rulebook refuses with the same
codes but knows no HTTP: this table gives each its status. Adding a code is adding one line to `CODES`.

{codes}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Code(NamedTuple):
    """The HTTP status of a code, and the one thing that a caller can do about it."""

    status: int
    hint: str


CODES: dict[str, Code] = {
    "malformed": Code(400, "compare the body with the payload's table: unknown fields are refused too"),
    "bad-parts": Code(400, "name at least two parts, each once, with shares of 1000000 ppm together"),
    "bad-squad": Code(400, "the founder and other owners' agents take all parts of the task, each one"),
    "bad-until": Code(400, "choose a time ahead, before the deadline of the task"),
    "invalid-utf8": Code(400, "send the body as UTF-8"),
    "invalid-key": Code(400, "use a did:key of an Ed25519 public key (did:key:z6Mk...)"),
    "unknown-kind": Code(400, "use one of the closed list of payload kinds, at the path meant for it"),
    "bad-parameter": Code(400, "correct the query parameter named in detail"),
    "named-twice": Code(400, "name each one once"),
    "wrong-endpoint": Code(400, "post this kind of statement to the path that /schema names for it"),
    "bad-signature": Code(401, "sign PAE(payloadType, payload) over the very bytes that you send"),
    "insufficient-funds": Code(402, "deposit more, or wait until locked money is free again"),
    "insufficient-stake": Code(402, "offer at least the stake named in reasons"),
    "unnamed-blob": Code(
        403, "send the statement that names it first, or sign for it: the header Trust-Upload"
    ),
    "foreign-network": Code(403, "sign for this service's network, as GET /v1/policy names it"),
    "wrong-signer": Code(403, "sign with the party's key that is current on the log"),
    "on-probation": Code(
        403, "have the task in flight checked first: newcomers that were drawn have one at a time"
    ),
    "not-allocated": Code(403, "wait until the exclusive window of the shortlist is over"),
    "not-capable": Code(403, "register with the task kind among your capabilities"),
    "barred": Code(403, "this agent or its owner already failed this task: take another"),
    "threshold-not-met": Code(403, "have as many coordinators sign as the relay's threshold says"),
    "relay-suspended": Code(
        403, "replace the convicted signers by relay.update, which the operator signs too"
    ),
    "jailed": Code(403, "wait until the time named in reasons"),
    "tombstoned": Code(403, "this identity is shut out for ever"),
    "revoked": Code(403, "this identity was given up; register another"),
    "not-yours": Code(403, "only the one whose claim, task or withdrawal it is may say this"),
    "not-seated": Code(403, "vote with the seats that GET /v1/agents/{did}/seats lists as yours"),
    "not-assignee": Code(403, "this task is for one agent: take another"),
    "not-operator": Code(403, "only the network's operator may say this"),
    "not-treasurer": Code(403, "have a treasurer sign, or ask the operator for the role"),
    "not-coordinator": Code(403, "have a coordinator of the relay as it is now say this"),
    "operator-stays": Code(403, "the operator's registration ends with its network"),
    "right-given-up": Code(403, "who accepted an output does not challenge it; anybody else may"),
    "retired-key": Code(403, "sign with the party's current key: this one was rotated away"),
    "unexpected-signature": Code(
        403, "leave out the signatures that this kind of statement does not ask for"
    ),
    "wrong-relay": Code(403, "have the relay act that the task names"),
    "no-consent": Code(403, "a canary binds only who agreed: requester and worker sign its opening too"),
    "unknown-path": Code(404, "see /schema for the paths there are"),
    "unknown-agent": Code(404, "register it first: POST /v1/agents"),
    "unknown-relay": Code(404, "the operator registers it first: POST /v1/admin"),
    "unknown-task": Code(404, "post it first: POST /v1/tasks"),
    "unknown-claim": Code(404, "check the claim's id: the receipt of claim.request names it"),
    "unknown-squad": Code(404, "check the squad's id: the receipt of squad.form names it"),
    "unknown-seat": Code(404, "GET /v1/agents/{did}/seats lists the seats there are"),
    "unknown-withdrawal": Code(404, "check the withdrawal's id: the receipt of stake.withdraw names it"),
    "unknown-entry": Code(404, "the log is not that long yet; GET /log/checkpoint has its size"),
    "unknown-policy": Code(404, "GET /v1/policy names the policy in force"),
    "unknown-blob": Code(404, "upload it first: PUT /v1/blobs/{sha256}"),
    "unknown-account": Code(404, "name a registered agent's DID, or operator/bond"),
    "unknown-pool": Code(404, "nobody ever enrolled for this kind"),
    "unknown-canary": Code(404, "commit to the root first, by canary.commit"),
    "unknown-role": Code(404, "this party does not hold the role"),
    "method-not-allowed": Code(405, "see /schema for the methods of this path"),
    "not-acceptable": Code(406, "accept application/json"),
    "too-slow": Code(408, "send the body faster, or less of it; nothing was done"),
    "other-reference": Code(409, "book the payment under the reference that the withdrawal names"),
    "task-exists": Code(409, "choose another task id"),
    "already-registered": Code(409, "a key that ever belonged to a party can not register again"),
    "already-claimed": Code(409, "the winner is named in detail; take another task"),
    "already-done": Code(409, "this was decided once and stands"),
    "handle-taken": Code(409, "choose another handle"),
    "key-used": Code(409, "use a key that never belonged to a party"),
    "no-panel": Code(409, "the sealed pool has too few verifiers for a panel; try again after the next seal"),
    "not-yet": Code(409, "wait for the time or the rules that this needs"),
    "repeated": Code(409, "this statement is on the log: GET /v1/receipts/{index} has its receipt"),
    "network-exists": Code(409, "a log has one genesis; make another network in another directory"),
    "no-network": Code(409, "make the log first: trust init"),
    "wrong-task-index": Code(409, "name the index of the entry that posted the task"),
    "task-claimed": Code(409, "wait until the claim on it has ended"),
    "task-split": Code(409, "its parts are tasks by themselves: GET /v1/squads/{squad} names them"),
    "not-divisible": Code(409, "claim it alone: only what its posting names can be split into parts"),
    "squad-state": Code(409, "a squad claims once; form another: squad.form"),
    "not-in-checkpoint": Code(409, "send it again: the task's posting must be in a checkpoint first"),
    "already-allocated": Code(
        409, "a task is allocated once; whoever may claim it is in GET /v1/tasks/{task}"
    ),
    "task-allocated": Code(409, "wait until the exclusive window of the shortlist is over"),
    "task-assigned": Code(409, "its requester named the worker: leave it to that agent"),
    "nobody-eligible": Code(409, "name candidates that may claim it, or leave it open to all"),
    "claim-state": Code(409, "read the claim's state: this step does not follow from it"),
    "no-renewals-left": Code(409, "deliver before the lease is over; the policy allows no further renewal"),
    "challenged-already": Code(409, "one challenge a verdict: the first in the log; wait for its answer"),
    "draw-pending": Code(409, "wait for the draw: there is no verdict to challenge before it"),
    "panel-at-work": Code(409, "wait for the panel's verdict; then it can be challenged"),
    "output-exists": Code(
        409, "a claim has one output, for good: another that you sign is evidence against you"
    ),
    "no-output": Code(409, "wait until the worker has delivered"),
    "accepted-already": Code(409, "this output was accepted before"),
    "nothing-drawn": Code(409, "wait for the draw; nothing is to be opened before it"),
    "item-opened": Code(409, "open each item once"),
    "not-opened": Code(409, "wait until the worker has opened the output, or its time is over"),
    "already-committed": Code(409, "a seat commits once; reveal what was committed"),
    "already-revealed": Code(409, "a seat reveals once"),
    "no-commitment": Code(409, "only a seat that committed in time can reveal"),
    "commits-open": Code(409, "wait until every seat has committed, or the window is over"),
    "no-draw-due": Code(409, "this draw was made already, or is not asked for"),
    "no-seal-due": Code(409, "this pool was sealed already"),
    "already-enrolled": Code(409, "leave out the kinds that you check already"),
    "not-enrolled": Code(409, "enrol for a kind of work first"),
    "role-held": Code(409, "the party has this role already"),
    "reference-booked": Code(409, "a reference is booked once; use a new one for a new payment"),
    "not-payable": Code(409, "only a withdrawal that matured and was not paid can be paid or taken back"),
    "too-early": Code(409, "wait until the time named in detail"),
    "operator-bond-short": Code(409, "the operator must fill its bond before anybody can claim"),
    "convicted-already": Code(409, "this fact is on the log: GET /v1/receipts/{index} has its receipt"),
    "canary-known": Code(409, "make the tree again with other salts: a root is committed to once"),
    "canary-opened": Code(409, "there is one answer for one worker on one task, and it is on the log"),
    "rules-known": Code(409, "these rules are in force or announced already"),
    "unknown-rules": Code(409, "the service must run a release that knows these rules first"),
    "expired": Code(410, "sign it again with a fresh issued_ms and expires_ms"),
    "too-late": Code(410, "the window for this is over"),
    "task-closed": Code(410, "take another task"),
    "lease-over": Code(410, "the lease ran out before the output came: take another task"),
    "quota-exceeded": Code(413, "wait until a statement names what you stored, or until it is forgotten"),
    "too-large": Code(413, "send less at once: the limit is named in detail"),
    "unsupported-type": Code(415, "send application/json (application/x-ndjson where lists are taken)"),
    "stake-cannot-deter": Code(422, "raise the stake or lower the price: no check rate can deter"),
    "proof-of-work": Code(422, "find a nonce with as many leading zero bits as the policy asks"),
    "proof-invalid": Code(422, "make the proof again from the statement on the log"),
    "commitment-mismatch": Code(422, "reveal the very verdict, salt and items that were committed"),
    "digest-mismatch": Code(422, "send the bytes that the digest names"),
    "issued-in-future": Code(422, "correct the clock that issued_ms came from"),
    "lifetime-too-long": Code(422, "let expires_ms be at most an hour after issued_ms"),
    "out-of-range": Code(422, "no account can hold so much"),
    "bad-genesis": Code(422, "correct what detail names, and make the network anew"),
    "bad-group": Code(422, "name each coordinator once, and a threshold they can reach"),
    "bad-deadline": Code(422, "choose a deadline ahead, within a year"),
    "bad-exclusive": Code(422, "choose an exclusive window within the policy's bounds"),
    "bad-candidates": Code(422, "name each candidate once"),
    "shortlist-too-large": Code(
        422, "ask for no more places than there are candidates, or than the policy allows"
    ),
    "bad-lease": Code(422, "choose a lease within the policy's bounds"),
    "bad-withdrawal": Code(422, "name an amount, or the withdrawal to take back, not both"),
    "bad-draw": Code(422, "the proof, key or output of this draw does not hold"),
    "bad-path": Code(422, "make the inclusion path from the tree whose root the output named"),
    "stake-too-high": Code(422, "ask for a stake within the policy's ratio to the price"),
    "uris-not-allowed": Code(422, "upload the bytes as a blob: this policy wants every byte in the service"),
    "items-mismatch": Code(422, "give exactly the items that the task, seat or commitment has"),
    "items-needed": Code(422, "this output is a batch: open the items that were drawn, with items.open"),
    "item-not-drawn": Code(422, "open only the items that were drawn for this seat"),
    "blob-missing": Code(422, "upload every blob that reasons name, then open again"),
    "not-evidence": Code(422, "give what this type of evidence consists of, as detail says"),
    "same-statement": Code(422, "sending the same bytes again is a retry, not a second output"),
    "same-output": Code(422, "both statements deliver the same bytes: this is a harmless retry"),
    "other-claims": Code(422, "show two outputs for one claim"),
    "other-keys": Code(422, "show two statements that one party signed"),
    "not-on-log": Code(422, "one of the statements must be the one that the log has"),
    "not-at-once": Code(
        422, "the other statement must be valid together with the one on the log, or issued after it"
    ),
    "no-false-confirmation": Code(422, "the log bears out what this confirmation says"),
    "bad-note": Code(422, "show two notes of this log, as its key signed them"),
    "other-sizes": Code(422, "show two checkpoints of one size; other forks convict offline"),
    "same-tree": Code(422, "both checkpoints are of one tree"),
    "bad-canary": Code(422, "make leaf, path and preimage again from the tree that was committed to"),
    "not-attested": Code(
        422, "a relay attests outputs, renewals, givings-up, openings, commitments and reveals"
    ),
    "tolerates-too-much": Code(422, "ask for a smaller share of bad items to be tolerated"),
    "canary-kind": Code(422, "a canary is a single output of an exact kind"),
    "canary-too-new": Code(422, "commit to canaries an epoch before they are claimed"),
    "too-many-enrolments": Code(422, "leave other kinds first"),
    "invalid-policy": Code(422, "correct what detail names; trust policy check tells it offline"),
    "dangerous-policy": Code(422, "correct what detail names: such a policy cannot be adopted"),
    "notice-too-short": Code(422, "let effective_ms be at least the policy's notice ahead"),
    "notice-too-long": Code(422, "let effective_ms be within a year"),
    "rate-limited": Code(429, "slow down, and honour Retry-After"),
    "overloaded": Code(503, "try again after Retry-After; nothing was done"),
    "no-quorum": Code(503, "try again after Retry-After: too few witnesses cosign"),
    "behind": Code(503, "this replica has not seen that log size yet; try again"),
    "clock-in-doubt": Code(
        503, "try again after Retry-After; nothing was done, and the operator must see to it"
    ),
    "shutting-down": Code(503, "try again after Retry-After, or another replica"),
    "log-frozen": Code(503, "the operator must find out why the log's head does not extend the last one"),
    "storage-full": Code(
        507, "try again after Retry-After; nothing was done, and the operator must make room"
    ),
}

RETRY_STATUSES = frozenset({429, 503, 507})
"""Statuses that carry Retry-After: nothing was decided, and the same bytes may be sent again."""


def title(code: str) -> str:
    """Returns the code as people read it: `already-claimed` is "Already claimed"."""
    return code.replace("-", " ").capitalize()


def _table() -> str:
    width = max(map(len, CODES))
    return "\n".join(f"{kind.status}  {code:<{width}}  {kind.hint}" for code, kind in CODES.items())


if __doc__:  # there is none under python -OO
    __doc__ = __doc__.format(codes=_table())


class TrustError(Exception):
    """A request that was refused, or could not be served, with a code from `CODES`.

    `reasons` are sentences with the numbers in them; `extra` are further members of the problem, such
    as the winner of a claim, `as_of` and `refusal`. An unknown code is a bug and raises KeyError.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        reasons: Sequence[str] = (),
        hint: str | None = None,
        extra: Mapping[str, object] | None = None,
        retry_after_s: int = 1,
    ) -> None:
        kind = CODES[code]
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.status = kind.status
        self.title = title(code)
        self.detail = detail
        self.reasons = tuple(reasons)
        self.hint = kind.hint if hint is None else hint
        self.extra = dict(extra or {})
        self.retry_after_s = retry_after_s if kind.status in RETRY_STATUSES else None

    def problem(self) -> dict[str, object]:
        """The members of an RFC 9457 problem document, in the order of docs/protocol.md 5."""
        return {
            "type": f"urn:ants:trust:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "reasons": list(self.reasons),
            "hint": self.hint,
            **self.extra,
        }


class Unusable(Exception):
    """A file, database or address of this machine or its operator that cannot be used as it is (exit 3).

    It says nothing about whether a log is true, and is no bug. `hint` says what to do.
    """

    def __init__(self, detail: str, hint: str = "") -> None:
        super().__init__(detail)
        self.hint = hint


class ClientError(TrustError):
    """A `TrustError` whose code need not be in this release's table."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        status: int = 0,
        reasons: tuple[str, ...] = (),
        hint: str = "",
        extra: Mapping[str, object] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        Exception.__init__(self, f"{code}: {detail}" if detail else code)
        self.code = code
        self.status = status
        self.title = title(code)
        self.detail = detail
        self.reasons = reasons
        self.hint = hint or (CODES[code].hint if code in CODES else "")
        self.extra = dict(extra or {})
        self.retry_after_s = retry_after_s
