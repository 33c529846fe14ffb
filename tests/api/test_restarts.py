"""A service that is stopped while votes are revealed goes on where it was, and what fell due meanwhile is settled."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.api.house import House, found, settings_for
from tests.asgi import client_of
from tests.services.statements import ORIGIN
from trust import app
from trust.core import payloads, strict
from trust.core.commands import Spoken
from trust.core.rules import votes


def running(settings: Any, vkey: str, home: House | None, act: Callable[[House], None]) -> House:
    """Starts the service on what its database holds, acts, and stops it."""
    parts = app.build(settings)
    with client_of(parts) as client:
        if home is None:
            home = House(client, vkey, parts.database)
        home.client, home.database = client, parts.database
        act(home)
    return home


class Split:
    """A panel that commits before the service stops; each verifier keeps its vote."""

    def __init__(self) -> None:
        self.claim = ""
        self.votes: list[Spoken] = []

    def begin(self, home: House) -> None:
        """Up to the reveal window, with one vote revealed."""
        home.settle_in(verifiers=5)
        self.claim = home.delivered("restarted")
        home.wait(lambda: home.get(f"/v1/claims/{self.claim}")["rounds"])
        home.done("/v1/outputs", home.say(payloads.OutputOpen, home.workers[0], claim=self.claim))
        for party, seat in home.wait(lambda: home.seated(self.claim, "commit")):
            salt = strict.base64_of(sha256(seat["seat"].encode()).digest())
            vote = home.say(payloads.VoteReveal, party, seat=seat["seat"], verdict="pass", salt=salt)
            assert isinstance(vote.payload, payloads.VoteReveal)
            commitment = votes.commitment(ORIGIN, seat["seat"], party.did, vote.payload)
            home.done(
                "/v1/votes", home.say(payloads.VoteCommit, party, seat=seat["seat"], commitment=commitment)
            )
            self.votes.append(vote)
        home.done("/v1/votes", self.votes[0])

    def ended(self, home: House) -> dict[str, Any]:
        """The claim as soon as it is over."""
        shown: dict[str, Any] = home.wait(
            lambda: found if (found := home.get(f"/v1/claims/{self.claim}"))["ended_ms"] else None, 15
        )
        return shown


@pytest.mark.parametrize("reveals", [True, False])
def test_a_restart_in_the_middle_of_a_reveal_window(tmp_path: Path, database_url: str, reveals: bool) -> None:
    """Voters who were restarted could not reveal any more (UMAprotocol/protocol, issue 1476: the salt was not kept).

    Here the seat, its commitment and the window are on the log: after a restart the same votes are taken and the repeat
    of one is answered with its receipt; where most stay silent it ends as if nothing had stopped.
    """
    settings = settings_for(tmp_path, database_url)
    vkey = found(settings, reveal_ms=6_000)
    split = Split()
    home = running(settings, vkey, None, split.begin)

    def go_on(home: House) -> None:
        assert home.post_to("/v1/votes", split.votes[0]).status_code == 200
        for vote in split.votes[1:] if reveals else []:
            home.done("/v1/votes", vote)
        shown = split.ended(home)
        outcomes = {seat["outcome"] for seat in shown["rounds"][0]["seats"]}
        assert shown["state"] == ("accepted" if reveals else "voided")
        assert outcomes == ({"right"} if reveals else {"heard", "idle"})

    running(settings, vkey, home, go_on)
