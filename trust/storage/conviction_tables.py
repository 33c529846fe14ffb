"""The tables of canaries and convictions, one for each record type of `core/convictions.py`."""

from __future__ import annotations

from trust.storage.columns import Clustered, KeyWords, Whole, Words


class CanaryRoots(Clustered, table=True):
    __tablename__ = "canary_roots"
    id: KeyWords
    count: Whole
    opened: Whole
    open_by_ms: Whole
    committed_ms: Whole
    index: Whole


class Canaries(Clustered, table=True):
    id: KeyWords
    root: Words
    number: Whole
    verdict: Words
    claim: Words
    index: Whole


class Convictions(Clustered, table=True):
    id: KeyWords
    reporter: Words
    index: Whole
