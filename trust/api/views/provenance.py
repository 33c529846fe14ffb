"""What an output was made from, and what was made from it (docs/protocol.md 9.1)."""

from __future__ import annotations

from typing import Any

from trust.api.views.cases import output_in, submitted
from trust.api.views.shapes import ID, find, page
from trust.core.payloads import CLAIM
from trust.core.records import Claim
from trust.storage.projections import made_from
from trust.storage.reading import Reader

DELIVERING = ("output.submit", "relay.attest")
FIRST_MENTIONS = 32
"""How many of the entries that name a digest are looked at for the outputs that delivered it."""


def provenance(reader: Reader, id: str, after: int, limit: int) -> dict[str, Any]:
    """Returns a claim's inputs, each with the claims that had delivered it before, and the outputs that were made from
    its own, in log order: a page of them."""
    held = find(reader, Claim, id, ID)
    said = submitted(reader, held.output_index) if held.output else None
    artifacts = [artifact.sha256 for artifact in said.artifacts] if said else []
    subjects = [made_from(source) for source in (id, *artifacts)]
    later = reader.timeline(subjects, max(after, held.output_index), limit + 1) if said else []
    outputs = [_made(reader, entry.index, {id, *artifacts}) for entry in later]
    inputs = [
        {"input": source, "claims": _delivered_by(reader, source, held.output_index)}
        for source in dict.fromkeys(said.inputs if said else ())
    ]
    return {"claim": id, "inputs": inputs, **page("outputs", outputs, limit, "index")}


def _delivered_by(reader: Reader, source: str, before: int) -> list[str]:
    """Returns the claims whose output is an input: itself, or those that delivered the bytes, the first one first."""
    if source.startswith(CLAIM):
        return [source]
    named = reader.timeline([source], limit=FIRST_MENTIONS)
    outputs = [output_in(entry.data) for entry in named if entry.index < before and entry.kind in DELIVERING]
    return [
        said.claim
        for said in outputs
        if said and any(artifact.sha256 == source for artifact in said.artifacts)
    ]


def _made(reader: Reader, index: int, sources: set[str]) -> dict[str, Any]:
    said = submitted(reader, index)
    return {
        "claim": said.claim,
        "index": index,
        "inputs": [source for source in said.inputs if source in sources],
    }
