"""The acts of the rulebook by what causes them: a kind of statement, or a due date. Each is registered where it is
written, with the records that it reads beside it:

    @act(TaskCancel, reads=_cancelling)
    def cancel(d: Decision, statement: TaskCancel) -> None: ...

    @due("deadline")
    def lapse(d: Decision, id: str) -> None: ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from trust.core.payloads import Payload
from trust.core.rules.decision import Decision
from trust.core.rules.reads import Keys, Peek

Do = TypeVar("Do", bound=Callable[..., None])
Reads = Callable[[Peek, Any], Keys]
Due = Callable[[Decision, str], None]


def nothing(_: Peek, __: Payload) -> Keys:
    """The reads of an act that reads no more than what every statement reads."""
    return iter(())


class Act(NamedTuple):
    """The consequences of a statement kind: `do` takes the decision and the payload.

    `reads` names records worth loading ahead, in the light of what is loaded, beside the actor and, if `reads_money`,
    its free account. An act that `is_attestable` also counts where a relay attests that it was shown the statement,
    and takes that time as a third argument (docs/rules.md 8).
    """

    do: Callable[..., None]
    reads: Reads
    reads_money: bool
    is_attestable: bool


ACTS: dict[type[Payload], Act] = {}
"""The act of each statement kind."""

DUE: dict[str, Due] = {}
"""What is done on a due date, by the timer's kind, with the timer's id."""


def act(
    kind: type[Payload], *, reads: Reads = nothing, reads_money: bool = True, is_attestable: bool = False
) -> Callable[[Do], Do]:
    """Registers the decorated function as the act of a statement kind.

    An attestable one has a rule for its signers: who signed the attestation says nothing about the statement in it.
    """
    if is_attestable and not kind.signers.by:
        raise ValueError(f"nobody checks who signed a {kind.__name__} that a relay attests")

    def register(do: Do) -> Do:
        if kind in ACTS:
            raise ValueError(f"{kind.__name__} has an act already")
        ACTS[kind] = Act(do, reads, reads_money, is_attestable)
        return do

    return register


def due(kind: str) -> Callable[[Due], Due]:
    """Registers the decorated function as what is done when timers of a kind are due."""

    def register(do: Due) -> Due:
        if kind in DUE:
            raise ValueError(f"{kind} timers have an act already")
        DUE[kind] = do
        return do

    return register
