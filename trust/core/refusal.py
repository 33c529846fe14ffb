"""The refusal of a rule: a code, a sentence and facts."""

from __future__ import annotations


class Refused(Exception):
    """A statement that the rules do not let through: a stable code, a reason in words, and facts that belong to it.

    Nothing has changed when it is raised. `facts` are JSON values, such as the winner of a claim that came too late.
    """

    def __init__(self, code: str, detail: str, **facts: str | int) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.facts = facts
