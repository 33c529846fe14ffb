"""A history of the rulebook's test network, recorded so that a service can be made to live it again, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.core.network import MemoryStore, Net
from trust.core.commands import Incoming
from trust.core.records import Node
from trust.core.refusal import Refused
from trust.core.rulebook import Decided


@dataclass(frozen=True)
class Step:
    """What happened at a time: something was said (or only settled), and what came of it."""

    now_ms: int
    incoming: Incoming | None
    entry: bytes = b""
    refused: str = ""
    nodes: Sequence[Node] = ()


@dataclass
class _Recorder(MemoryStore):
    nodes: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        MemoryStore.__init__(self)

    def put_nodes(self, nodes: Sequence[Node]) -> None:
        self.nodes += nodes
        super().put_nodes(nodes)


class Recorded(Net):
    """A network that keeps every step."""

    def __init__(self, policy: Any = None, store: Any = None) -> None:
        self.recorder = _Recorder()
        self.steps: list[Step] = []
        super().__init__(policy, self.recorder)

    def settle(self) -> list[Decided]:
        settled = super().settle()
        if settled:
            self.steps.append(Step(self.now_ms, None))
        return settled

    def decide(self, incoming: Incoming) -> Decided:
        nodes, self.recorder.nodes = self.recorder.nodes, []
        try:
            decided = super().decide(incoming)
        except Refused as refused:
            self.steps.append(Step(self.now_ms, incoming, refused=refused.code, nodes=nodes))
            raise
        self.steps.append(Step(self.now_ms, incoming, entry=decided.data, nodes=nodes))
        return decided
