"""Money of an agent beside its free account: stakes and bonds that are locked, and withdrawals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Connection,
    Select,
    bindparam,
    func,
    literal,
    select,
    text,
    union_all,
)

from trust.clock import monotonic_ms
from trust.core import ledger
from trust.core.lifecycle import ChallengeState, WithdrawalState
from trust.core.records import Account, Challenge, Claim, Withdrawal
from trust.storage.engine import ids_of, listed
from trust.storage.listing import OPEN_CLAIM
from trust.storage.tables import HELD, STATE

_CLAIM = STATE[Claim].c
_WITHDRAWAL = STATE[Withdrawal].c
_CHALLENGE = STATE[Challenge].c
_ACCOUNT = STATE[Account].c
_WITHDRAWALS = (
    select(STATE[Withdrawal])
    .where(_WITHDRAWAL.party == bindparam("party"))
    .order_by(_WITHDRAWAL.index.desc())
    .limit(bindparam("limit"))
)
_UNPAID = select(func.count(), func.coalesce(func.sum(_WITHDRAWAL.amount_units), 0)).where(
    _WITHDRAWAL.state == WithdrawalState.PAYABLE, _WITHDRAWAL.matures_ms < bindparam("before_ms")
)
_CHALLENGES = (
    select(STATE[Challenge]).where(_CHALLENGE.claim == bindparam("claim")).order_by(_CHALLENGE.round)
)
_BONDS = select(func.coalesce(func.sum(_CHALLENGE.bond_units + _CHALLENGE.prepaid_units), 0)).where(
    _CHALLENGE.challenger == bindparam("party"), _CHALLENGE.state == ChallengeState.OPEN
)
_STAKED = select(func.coalesce(func.sum(_ACCOUNT.balance_units), 0)).where(
    _ACCOUNT.id.in_([bindparam("stake"), bindparam("name")])
)


def locked_units(connection: Connection, agents: Sequence[str]) -> dict[str, int]:
    """Returns each agent's units in stakes on claims: all while a claim is open, then what is held for evidence."""
    units: Counter[str] = Counter()
    for query in _locked(connection.dialect.name):
        for worker, locked in connection.execute(query, ids_of(agents)):
            units[worker] += int(locked)
    return dict(units)


@cache
def _locked(dialect: str) -> list[Select[Any]]:
    """Units by worker: in stakes on open claims, and in what ended claims hold."""
    open_ = select(_CLAIM.worker, func.sum(_CLAIM.stake_units)).where(_CLAIM.state.in_(OPEN_CLAIM))
    ended = select(_CLAIM.worker, func.sum(_CLAIM.hold_units)).where(text(HELD))
    of_these = _CLAIM.worker.in_(listed(dialect))
    return [query.where(of_these).group_by(_CLAIM.worker) for query in (open_, ended)]


def withdrawals_of(connection: Connection, party: str, limit: int = 100) -> list[Withdrawal]:
    """A party's withdrawals, the newest first."""
    rows = connection.execute(_WITHDRAWALS, {"party": party, "limit": limit})
    return [Withdrawal(*row) for row in rows]


def challenges_on(connection: Connection, claim: str) -> list[Challenge]:
    """The challenges of a claim, the oldest first."""
    return [Challenge(*row) for row in connection.execute(_CHALLENGES, {"claim": claim})]


def bonded_units(connection: Connection, party: str) -> int:
    """Returns what a party has in its stake as a verifier, in the bond of its name, and in bonds of challenges that are
    not settled."""
    locks = {"stake": ledger.verifier_stake(party), "name": ledger.name_bond(party)}
    bonds = connection.execute(_BONDS, {"party": party}).scalar_one()
    return int(bonds) + int(connection.execute(_STAKED, locks).scalar_one())


def own_accounts(party: str) -> list[str]:
    """The names of a party's accounts that are about no case: free, unbonding, its stake as a verifier, the bond of its
    name."""
    names = (ledger.free, ledger.unbonding, ledger.verifier_stake, ledger.name_bond)
    return [name(party) for name in names]


def accounts_of(party: str) -> CompoundSelect[str]:
    """The names of a party's accounts: its own, and the locks on its claims and challenges."""
    own = [select(literal(name)) for name in own_accounts(party)]
    locks = [
        select(literal(f"{kind}/").concat(id).concat(f"/{lock}")).where(holder == party)
        for kind, lock, id, holder in (
            ("claim", "stake", _CLAIM.id, _CLAIM.worker),
            ("challenge", "bond", _CHALLENGE.id, _CHALLENGE.challenger),
        )
    ]
    return union_all(*own, *locks)


def unpaid(connection: Connection, matured_before_ms: int) -> tuple[int, int]:
    """How many withdrawals matured before then and are not paid out yet, and their sum in units."""
    count, units = connection.execute(_UNPAID, {"before_ms": matured_before_ms}).one()
    return int(count), int(units)


def clock_skew_ms(connection: Connection, now_ms: int) -> int:
    """How far `now_ms` is ahead of the database's clock; 0 where the database has none of its own."""
    if connection.dialect.name == "sqlite":
        return 0
    begun_ms = monotonic_ms()
    seconds = connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one()
    took_ms = monotonic_ms() - begun_ms
    behind_ms = int(seconds * 1_000) - now_ms
    return min(0, took_ms - behind_ms) if behind_ms > 0 else -behind_ms
