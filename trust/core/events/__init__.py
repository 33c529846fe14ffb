"""Everything that can happen, by subject, and how it folds into the state: no rule, no policy in here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from trust.core.events.allocations import *
from trust.core.events.challenges import *
from trust.core.events.convictions import *
from trust.core.events.event import *
from trust.core.events.money import *
from trust.core.events.panels import *
from trust.core.events.parties import *
from trust.core.events.scores import *
from trust.core.events.squads import *
from trust.core.events.tasks import *

if TYPE_CHECKING:
    Events = Event
else:
    Events = Union[tuple(Event.__subclasses__())]  # noqa: UP007
    """Every event that an entry may hold; a kind that is not defined in one of these modules cannot be decoded."""
