"""Scores that agents of this network have in others: shown to relays, never counted (docs/reputation.md 5).

Anyone may bring a file of scores; it is taken when a log that the operator recognises signed it. The newest of each
network is kept beside the log, in no state that decides anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import msgspec
from sqlalchemy import Connection, Select, select
from sqlmodel import col

from trust.core.records import Party
from trust.errors import TrustError
from trust.log.note import Verifier
from trust.storage import bulk, tables
from trust.storage.bulk import Existing
from trust.storage.engine import Database, ids_of, listed
from trust.storage.rows import table_of
from trust.storage.unit import aside
from trust.verify.scores import AgentScores, BadScores, verify

_TABLE = table_of(tables.Elsewhere)
_decode = msgspec.json.Decoder(AgentScores).decode


class ForeignScores:
    """Takes files of scores; `recognised` are the keys of the logs whose scores are shown."""

    def __init__(self, database: Database, recognised: Sequence[Verifier]) -> None:
        self._database = database
        self._recognised = tuple(recognised)

    def take(self, party: Party, data: bytes) -> AgentScores:
        """Keeps the scores of a party in a file. TrustError where it proves nothing, or something newer is here."""
        shown = self._verified(data)
        if shown.agent != party.id:
            raise TrustError("proof-invalid", f"the file is about {shown.agent}, not about {party.id}")
        with aside(self._database) as connection:
            before = scores_by_agent(connection, [party.id]).get(party.id, ())
            if any(each.network == shown.network and each.as_of > shown.as_of for each in before):
                raise TrustError("already-done", f"{shown.network} said something newer, which is kept")
            row = (party.id, shown.network, msgspec.json.encode(shown).decode())
            bulk.insert(connection, _TABLE, [row], Existing.REPLACE)
        return shown

    def _verified(self, data: bytes) -> AgentScores:
        reasons = []
        for key in self._recognised:
            try:
                return verify(data, key)
            except BadScores as error:
                reasons.append(f"{key.name}: {error}")
        raise TrustError(
            "proof-invalid",
            "; ".join(reasons) or "this service recognises no other network",
            hint="bring a file that GET /v1/agents/{id}/reputation/proof of a recognised network gave",
        )


@cache
def _by_agent(dialect: str) -> Select[str, str]:
    table = tables.Elsewhere
    of_these = col(table.agent).in_(listed(dialect))
    query = select(col(table.agent), col(table.shown)).where(of_these)
    return query.order_by(col(table.agent), col(table.network))


def scores_by_agent(connection: Connection, agents: Sequence[str]) -> dict[str, tuple[AgentScores, ...]]:
    """Returns the scores of these agents in other networks, by agent; those without any are left out."""
    scores: dict[str, tuple[AgentScores, ...]] = {}
    for agent, shown in connection.execute(_by_agent(connection.dialect.name), ids_of(agents)):
        scores[agent] = (*scores.get(agent, ()), _decode(shown))
    return scores
