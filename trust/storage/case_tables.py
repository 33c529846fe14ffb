"""The tables of what binds a case together: challenges, and where a requester's tasks begin."""

from __future__ import annotations

from sqlmodel import SQLModel

from trust.storage.columns import Clustered, FindWords, KeyWords, Whole, Words


class Challenges(SQLModel, table=True):
    id: KeyWords
    claim: FindWords
    challenger: FindWords
    index: Whole
    against: Words
    round: Whole
    statement: Words
    bond_units: Whole
    prepaid_units: Whole
    before: Words
    state: Words


class Posters(Clustered, table=True):
    id: KeyWords
    newest: Words
    closing: Words
