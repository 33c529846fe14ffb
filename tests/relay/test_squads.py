"""What a relay follows of squads: the whole is its founder's, and a part that is open again can be offered."""

from __future__ import annotations

import httpx
import msgspec

from tests.core.flows import scene
from tests.core.squads import PARTS, claimed, formed
from trust.core import payloads as p
from trust.core.records import Claim
from trust.relay.mirror import Mirror


def test_a_relay_holds_the_whole_for_claimed_and_offers_a_part_that_is_open_again() -> None:
    town = scene()
    town.post("t1", relay=town.relay, parts=PARTS)
    head, body = claimed(town, formed(town, [(town.worker, None), (town.rival, None)]))
    mirror = Mirror(httpx.AsyncClient(), ["http://127.0.0.1:9"], town.relay, lambda entry: None)

    def follow() -> None:
        for entry in town.net.entries[mirror.size :]:
            events = [msgspec.to_builtins(event) for event in entry.events]
            mirror.take({"index": entry.index, "at_ms": entry.at_ms, "kind": "", "events": events})

    follow()
    whole = mirror.tasks["t1"]
    assert (whole.state, whole.claim, whole.worker) == ("claimed", head, town.worker.did)
    assert set(mirror.claims) == {head, body}
    town.net.say(p.ClaimAbandon, town.rival, claim=body)
    follow()
    part = mirror.tasks[town.net.get(Claim, body).task]
    assert (part.state, part.worker, part.price_units, part.task_index) == ("open", "", 70, whole.claim_index)
    assert mirror.tasks["t1"].state == "claimed"
