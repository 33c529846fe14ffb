"""What binds a case together: challenges (rules.md 4), and where a requester's tasks begin (rules.md 7)."""

from __future__ import annotations

from typing import ClassVar

from trust.core.record import Record


class Challenge(Record, frozen=True):
    """An attack on a verdict, or on an output that was not checked.

    `against` is what it attacks, pass or fail (unchecked counts as pass); `round` the round that it opens; `statement`
    the id of its statement, which enters that round's draw; `before` the claim's challenge before this one. On its bond
    lie `bond_units` and `prepaid_units`, the fees of the round's panel. `state` is open, won, lost or returned.
    """

    table: ClassVar[str] = "challenges"
    claim: str
    challenger: str
    index: int
    against: str
    round: int
    statement: str
    bond_units: int
    prepaid_units: int
    before: str = ""
    state: str = "open"


class Poster(Record, frozen=True):
    """Where a requester's tasks that are not closed begin; `closing` is where closing them goes on after it left."""

    table: ClassVar[str] = "posters"
    newest: str = ""
    closing: str = ""
