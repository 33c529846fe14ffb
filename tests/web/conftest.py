"""A network in which something of every kind has happened, for the tests of its pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

import pytest

from tests.api.house import House, house
from tests.services.statements import Party
from trust.core import payloads

SCRIPT = "<script>alert(1)</script>"
IMAGE = "'><img src=x onerror=alert(1)>{{7*7}}"
ADDRESS = "javascript:alert(document.domain)//'><svg/onload=alert(2)>"
REFERENCE = "<b>bold</b>&lt;"
LONG = "'" * 254


@dataclass(frozen=True)
class Network:
    """A running service, and what there is to look at."""

    house: House
    rejected: str
    goes_on: str

    def page(self, path: str) -> str:
        """A page as it is served; it must be there."""
        answer = self.house.client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        assert answer.headers["content-type"] == "text/html; charset=utf-8", path
        return str(answer.text)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A service with a rejected claim, one that goes on, and texts that try to be markup wherever a text is free."""
    directory = tmp_path_factory.mktemp("pages")
    url = f"sqlite:///{directory / 'trust.db'}"
    with house(
        directory,
        url,
        score_epoch_ms=600_000,
        lease_ms=60_000,
        open_ms=25_000,
        unbonding_ms=900_000,
        uris="true",
    ) as town:
        town.settle_in()
        rejected = town.checked("task-fail", "fail")
        town.done("/v1/stakes", town.say(payloads.StakeWithdraw, town.workers[0], amount_units=5))
        goer = Party("goer")
        for said in (town.register(goer), town.say(payloads.AgentRevoke, goer, reason=SCRIPT)):
            town.done("/v1/agents", said)
        yield Network(town, rejected, _delivered_markup(town))


def _delivered_markup(town: House) -> str:
    """A claim whose task and output say everything that they may in markup."""
    references = (payloads.Reference(scheme="a2a-task", value=REFERENCE),)
    posted = town.task_post("task-markup", spec_uri=ADDRESS, references=references)
    index = town.done("/v1/tasks", posted)["receipt"]["index"]
    claim = str(town.done("/v1/claims", town.claim("task-markup", index, town.workers[0]))["result"]["claim"])
    artifacts = tuple(
        payloads.Artifact(name=name, sha256=sha256(name.encode()).hexdigest(), size_bytes=1, uri=ADDRESS)
        for name in (SCRIPT, IMAGE, *(f"{number}{LONG}" for number in range(30)))
    )
    said = town.say(payloads.OutputSubmit, town.workers[0], claim=claim, artifacts=artifacts)
    town.done("/v1/outputs", said)
    town.wait(lambda: town.get(f"/v1/claims/{claim}")["rounds"])
    return claim
