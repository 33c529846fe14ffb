"""The VRF proofs of draws, verified by whoever inspects, ahead of the replay (RFC 9381, docs/rules.md 6.1).

The input of a claim's first draw, or of an allocation's, is an earlier statement. An inspector guesses it from the
statements that it has seen. Later rounds are over what a panel revealed: those, and whatever was guessed wrong, the
replay verifies by the state.
"""

from __future__ import annotations

from typing import NamedTuple

from trust.core.commands import Spoken, effective
from trust.core.entry import Draw
from trust.core.events import task_draw
from trust.core.identity import key_of
from trust.core.payloads import OutputSubmit, TaskAllocate
from trust.core.rules import shortlists
from trust.core.rules.draws import seed_input
from trust.core.sampling import vrf

MOST_INPUTS = 20_000
"""Of outputs and allocations, about half a kilobyte each; what is older than these is drawn for by then."""


class Proven(NamedTuple):
    """A proof that holds: what `vrf.remember` takes."""

    public_key: bytes
    alpha: bytes
    pi: bytes
    beta: bytes


class _Inputs(NamedTuple):
    """The ids of the statements about a claim, or about a task's shortlist."""

    network: str
    statement: str


class EarlyProofs:
    """The statements of a log that draws are over, in their order, and the proofs of those draws."""

    def __init__(self) -> None:
        self._inputs: dict[str, _Inputs] = {}

    def hear(self, statement: Spoken) -> None:
        """Takes up a statement whose signatures hold."""
        statement = effective(statement)
        match statement.payload:
            case OutputSubmit(network=network, claim=claim):
                self._keep(claim, _Inputs(network, statement.id))
            case TaskAllocate(network=network, task=task):
                self._keep(task_draw(task), _Inputs(network, statement.id))

    def _keep(self, of: str, inputs: _Inputs) -> None:
        self._inputs[of] = inputs
        if len(self._inputs) > MOST_INPUTS:
            del self._inputs[next(iter(self._inputs))]

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
        inputs = self._inputs.get(draw.of if shortlists.is_for(draw) else claim)
        if inputs is None:
            return None
        if shortlists.is_for(draw):
            return shortlists.shortlist_seed(inputs.network, shortlists.task_of(draw), inputs.statement)
        return seed_input(inputs.network, claim, 1, inputs.statement) if number == "1" else None
