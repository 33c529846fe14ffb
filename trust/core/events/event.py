"""An event: something that changed, in full, so that folding it needs no rule and no policy (docs/protocol.md 3).

An event kind's meaning is frozen for ever; a change of meaning is a new kind.
"""

from __future__ import annotations

from typing import ClassVar, TypeVar

import msgspec
from msgspec.structs import asdict

from trust.core.lifecycle import IllegalMove
from trust.core.records import Record
from trust.core.state import Draft

R = TypeVar("R", bound=Record)


class CannotFold(ValueError):
    """An event about something that is not there, or that moves it otherwise than its life allows: no log that this
    rulebook wrote holds one."""


class Event(
    msgspec.Struct,
    frozen=True,
    tag_field="kind",
    forbid_unknown_fields=True,
    omit_defaults=True,
    kw_only=True,
):
    """One change; `s.size` is the index of the entry that it stands in, `s.at_ms` that entry's time.

    `says` is its sentence for people, with its fields in braces; a kind that needs more writes `sentence`. `creates`
    are the fields that whoever sent the statement goes on with, the id of what is new first: answers give them.
    """

    says: ClassVar[str] = ""
    creates: ClassVar[tuple[str, ...]] = ()

    def fold(self, s: Draft) -> None:
        """Writes the change into the state; CannotFold where it moves a thing as its life does not allow."""
        s.act = str(self.__struct_config__.tag)
        try:
            self.write(s)
        except IllegalMove as error:
            raise CannotFold(str(error)) from error
        finally:
            s.act = ""

    def sentence(self) -> str:
        """Returns what it changed, in one or two sentences for people."""
        return self.says.format_map(asdict(self))

    def write(self, s: Draft) -> None:
        """Writes the change; each kind of event has its own."""
        raise NotImplementedError


def known(s: Draft, kind: type[R], id: str) -> R:
    """The record that an event changes."""
    record = s.get(kind, id)
    if record is None:
        raise CannotFold(f"no {kind.__name__.lower()} {id}")
    return record
