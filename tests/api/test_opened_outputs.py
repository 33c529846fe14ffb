"""An output that is opened as it is delivered: nothing is left for its worker to do, and nothing can be withheld."""

from __future__ import annotations

from hashlib import sha256

from tests.api.house import WORK, House
from trust.core import payloads

DIGEST = sha256(WORK).hexdigest()
ARTIFACT = payloads.Artifact(name="findings.json", sha256=DIGEST, size_bytes=len(WORK))


def test_an_output_that_is_opened_when_it_is_delivered_goes_straight_to_its_panel(home: House) -> None:
    home.settle_in()
    claim = home.claimed("open-at-once")
    said = home.say(payloads.OutputSubmit, home.workers[0], claim=claim, artifacts=(ARTIFACT,), opened=True)
    assert home.post_to("/v1/outputs", said).json()["code"] == "blob-missing"
    home.store(WORK, home.workers[0])
    home.done("/v1/outputs", said)
    home.wait(lambda: home.get(f"/v1/claims/{claim}")["rounds"])
    assert home.get(f"/v1/claims/{claim}")["rounds"][0]["phase"] == "commit"
    home.vote(claim, "pass")
    home.wait(lambda: home.get(f"/v1/claims/{claim}")["ended_ms"])
    assert home.get(f"/v1/claims/{claim}")["state"] == "accepted"


def test_the_items_of_a_batch_are_not_opened_ahead(home: House) -> None:
    home.settle_in()
    items = payloads.Items(count=4)
    index = home.done("/v1/tasks", home.task_post("batch", items=items))["receipt"]["index"]
    claim = home.done("/v1/claims", home.claim("batch", index, home.workers[0]))["result"]["claim"]
    home.store(WORK, home.workers[0])
    said = home.say(
        payloads.OutputSubmit,
        home.workers[0],
        claim=claim,
        artifacts=(ARTIFACT,),
        items_root="ab" * 32,
        items_count=4,
        opened=True,
    )
    assert home.post_to("/v1/outputs", said).json()["code"] == "items-mismatch"
