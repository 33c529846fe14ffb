"""The VRF proofs of draws, verified by whoever inspects, ahead of the replay (RFC 9381, docs/rules.md 6.1).

The input of a claim's first draw, or of an allocation's, is an earlier statement. An inspector guesses it from the
statements that it has seen. Later rounds are over what a panel revealed: those, and whatever was guessed wrong, the
replay verifies by the state.
"""

from __future__ import annotations

from typing import NamedTuple

from trust.core.commands import Spoken, heard
from trust.core.entry import Draw
from trust.core.events import task_draw
from trust.core.identity import key_of
from trust.core.payloads import OutputSubmit, TaskAllocate
from trust.core.rules import shortlists
from trust.core.rules.draws import seed_input
from trust.core.sampling import vrf

MOST_HEARD = 20_000
"""Of outputs and allocations, about half a kilobyte each; what is older than these is drawn for by then."""


class Proven(NamedTuple):
    """A proof that holds: what `vrf.remember` takes."""

    public_key: bytes
    alpha: bytes
    pi: bytes
    beta: bytes


class _Heard(NamedTuple):
    """The ids of the statements about a claim, or about a task's shortlist."""

    network: str
    statement: str


class EarlyProofs:
    """The statements of a log that draws are over, in their order, and the proofs of those draws."""

    def __init__(self) -> None:
        self._heard: dict[str, _Heard] = {}

    def hear(self, said: Spoken) -> None:
        """Takes up a statement whose signatures hold."""
        said = heard(said)
        match said.payload:
            case OutputSubmit(network=network, claim=claim):
                self._keep(claim, _Heard(network, said.id))
            case TaskAllocate(network=network, task=task):
                self._keep(task_draw(task), _Heard(network, said.id))

    def _keep(self, of: str, heard: _Heard) -> None:
        self._heard[of] = heard
        if len(self._heard) > MOST_HEARD:
            del self._heard[next(iter(self._heard))]

    def prove(self, draw: Draw) -> Proven | None:
        """Returns what a draw proves; None where it proves nothing over the statements that were heard."""
        try:
            alpha = self._alpha(draw)
            if alpha is None or not draw.beacons:
                return None
            public_key, pi = key_of(draw.beacons[0].key), bytes.fromhex(draw.beacons[0].pi)
            return Proven(public_key, alpha, pi, vrf.verify(public_key, alpha, pi))
        except ValueError:
            return None

    def _alpha(self, draw: Draw) -> bytes | None:
        claim, _, number = draw.of.partition("/")
        heard = self._heard.get(draw.of if shortlists.is_for(draw) else claim)
        if heard is None:
            return None
        if shortlists.is_for(draw):
            return shortlists.shortlist_seed(heard.network, shortlists.task_of(draw), heard.statement)
        return seed_input(heard.network, claim, 1, heard.statement) if number == "1" else None
