"""A name that costs something: the bond that an agent locks once, and loses when its work is caught (docs/rules.md 7).

Without it a cheat that is caught comes back under a new name. It locks as soon as a deposit covers it for whoever
offers kinds of work, so that the probation lane holds only names that have paid; at the latest with a claim or an
enrolment.
"""

from __future__ import annotations

from trust.core import ledger
from trust.core.events import NameReleased, NameReturning
from trust.core.events.parties import name_timer
from trust.core.records import Party
from trust.core.rules.acts import due
from trust.core.rules.decision import Decision


def due_units(d: Decision, party: Party) -> int:
    """Returns the units that a name still has to lock under the policy in force."""
    needed = d.policy.registration.name_bond_units
    return max(0, needed - d.balance(ledger.name_bond(party.id))) if needed else 0


def lock(d: Decision, party: Party) -> None:
    """Locks the bond that is due for a name; the money must be free."""
    if units := due_units(d, party):
        d.pay("name.bond", (ledger.free(party.id), ledger.name_bond(party.id), units))
        d.observed(party.id, *party.capabilities)


def lock_if_covered(d: Decision, party: Party) -> None:
    """Locks what is due from a worker that has the money."""
    if party.capabilities and due_units(d, party) <= d.balance(ledger.free(party.id)):
        lock(d, party)


def burn(d: Decision, did: str) -> None:
    """Takes the bond of a name whose work failed an exact check, was withheld or was delivered twice."""
    party, account = d.need(Party, did), ledger.name_bond(did)
    if units := d.balance(account):
        d.pay("slash.name", (account, ledger.BURN, units))
        d.observed(did, *party.capabilities)


def leave(d: Decision, party: Party) -> None:
    """Lets the bond of a party that leaves come back once none of its work can be caught any more; one that the
    operator revoked may still deliver for as long as the longest lease."""
    if not d.balance(ledger.name_bond(party.id)):
        return
    claims = d.policy.claims
    working_ms = (1 + claims.renewals) * claims.max_lease_ms if party.expelled else 0
    until_ms = d.at_ms + working_ms + d.policy.windows.unbonding_ms
    d.emit(NameReturning(party=party.id, until_ms=until_ms))


@due("name")
def release(d: Decision, timer: str) -> None:
    """Pays back what is left of the bond of a party that left."""
    did = timer.removeprefix(name_timer(""))
    account = ledger.name_bond(did)
    d.emit(NameReleased(party=did))
    if units := d.balance(account):
        d.unbond(did, account, ledger.unbonding(did), units, waited=True)
