"""Double entry: the names of the accounts, and transfers between them as postings that sum to zero.

Specified in docs/rules.md 4.
"""

from __future__ import annotations

from collections.abc import Iterable

from trust.core.records import Account
from trust.core.state import View

EXTERNAL = "external"
VERIFICATION = "pool/verification"
OPERATOR_BOND = "operator/bond"
OPERATOR_UNBONDING = "operator/unbonding"
BURN = "burn"
MAX_BALANCE = 2**53 - 1

Transfer = tuple[str, str, int]
Postings = tuple[tuple[str, int], ...]


PENALTIES = frozenset({"seat.slash", "challenge.lost"})


def is_penalty(why: str) -> bool:
    """Returns whether money that moved for this reason was taken from somebody for a fault."""
    return why.startswith("slash.") or why in PENALTIES


def free(party: str) -> str:
    """The account of the money that a party can spend, lock and withdraw."""
    return f"agent/{party}/free"


def unbonding(party: str) -> str:
    """The account of the money that a party withdraws: it cannot spend it, evidence can still take it."""
    return f"agent/{party}/unbonding"


def escrow(task: str) -> str:
    """Price and fees of a task until it closes."""
    return f"task/{task}/escrow"


def stake(claim: str) -> str:
    """The worker's lock on a claim."""
    return f"claim/{claim}/stake"


def verifier_stake(party: str) -> str:
    """The lock that a verifier's votes answer with."""
    return f"verifier/{party}/stake"


def surety(squad: str, party: str) -> str:
    """What a member of a squad answers with for the parts of the others, while their first claims last."""
    return f"squad/{squad}/{party}"


def name_bond(party: str) -> str:
    """The bond of a party's name: locked while it works or checks, burned when its work is caught."""
    return f"agent/{party}/name"


def challenge_bond(challenge: str) -> str:
    """The challenger's lock on a challenge: its bond, and the fees of the panel that it asks for."""
    return f"challenge/{challenge}/bond"


def balance(view: View, account: str) -> int:
    """Returns the balance of an account in units; 0 where it was never used."""
    record = view.get(Account, account)
    return 0 if record is None else record.balance_units


def postings(transfers: Iterable[Transfer]) -> Postings:
    """The net change of each account, in order of appearance; accounts that end as they began are left out."""
    change: dict[str, int] = {}
    for source, target, amount in transfers:
        change[source] = change.get(source, 0) - amount
        change[target] = change.get(target, 0) + amount
    return tuple((account, units) for account, units in change.items() if units)


def share(amount: int, ppm: int) -> int:
    """Returns the share of an amount, rounded down."""
    return amount * ppm // 1_000_000


def share_up(amount: int, ppm: int) -> int:
    """Returns the share of an amount, rounded up."""
    return -(-amount * ppm // 1_000_000)
