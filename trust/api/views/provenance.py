"""Provenance of outputs, both ways: their inputs, and the outputs made from them (docs/protocol.md 9.1)."""

from __future__ import annotations

from typing import Any

from trust.api.views.cases import submitted
from trust.api.views.shapes import ID, find, page
from trust.core.payloads import CLAIM
from trust.core.records import Claim
from trust.core.rulebook import output_in
from trust.storage.projections import made_from
from trust.storage.reading import Reader

DELIVERING = ("output.submit", "relay.attest")
FIRST_MENTIONS = 32
"""How many of the entries that name a digest are looked at for the outputs that delivered it."""


def provenance(reader: Reader, id: str, after: int, limit: int) -> dict[str, Any]:
    """Returns a claim's inputs, each with the claims that had delivered it before, and the outputs that were made from
    its own, in log order: a page of them."""
    held = find(reader, Claim, id, ID)
    output = submitted(reader, held.output_index) if held.output else None
    artifacts = [artifact.sha256 for artifact in output.artifacts] if output else []
    subjects = [made_from(source) for source in (id, *artifacts)]
    later = reader.timeline(subjects, max(after, held.output_index), limit + 1) if output else []
    outputs = [_made(reader, entry.index, {id, *artifacts}) for entry in later]
    inputs = [
        {"input": source, "claims": _delivered_by(reader, source, held.output_index)}
        for source in dict.fromkeys(output.inputs if output else ())
    ]
    return {"claim": id, "inputs": inputs, **page("outputs", outputs, limit, "index")}


def _delivered_by(reader: Reader, source: str, before: int) -> list[str]:
    """Returns the claims whose output is an input: itself, or those that delivered the bytes, the first one first."""
    if source.startswith(CLAIM):
        return [source]
    named = reader.timeline([source], limit=FIRST_MENTIONS)
    outputs = [output_in(entry.data) for entry in named if entry.index < before and entry.kind in DELIVERING]
    return [
        output.claim
        for output in outputs
        if output and any(artifact.sha256 == source for artifact in output.artifacts)
    ]


def _made(reader: Reader, index: int, sources: set[str]) -> dict[str, Any]:
    output = submitted(reader, index)
    return {
        "claim": output.claim,
        "index": index,
        "inputs": [source for source in output.inputs if source in sources],
    }
