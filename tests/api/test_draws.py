"""A draw that the service withholds is taken over HTTP from the beacon whose turn it is, and from nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.api.house import JSON, House, house
from tests.services.statements import Party
from trust import clock
from trust.core.records import Claim, Timer
from trust.core.rules import turns
from trust.core.rules.turns import Awaited
from trust.services.drawing import Drawing
from trust.services.scoring import view_of
from trust.storage.reading import reading

BEACONS = [Party(f"beacon {number}") for number in range(2)]
TURN_MS = 2_000
CLAIM = "clm_" + "a" * 26
ZEROS = "0" * 160


@pytest.fixture
def withheld(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A town whose service makes no draw."""
    monkeypatch.setattr(Drawing, "run", lambda _: 0)
    keys = [beacon.did for beacon in BEACONS]
    with house(tmp_path, database_url, keys=keys, draw_ms=TURN_MS, score_epoch_ms=600_000) as running:
        running.settle_in()
        yield running


def awaited(home: House, claim: str) -> Awaited:
    """The draw that a claim awaits now."""
    with reading(home.database) as reader:
        record = reader.record(Claim, claim)
        assert record is not None
        return turns.of_round(view_of(reader), record, clock.now_ms())


def overdue_ms(home: House, claim: str) -> int:
    with reading(home.database) as reader:
        timer = reader.record(Timer, claim)
    assert timer is not None
    return timer.due_ms


def bring(home: House, beacon: Party, asked: Awaited, alpha: bytes = b"") -> httpx.Response:
    proof = turns.beacon(beacon.did, beacon.seed, alpha or asked.alpha)
    return _post(home, {"for": asked.of, "key": beacon.did, "pi": proof.pi})


def _post(home: House, said: Any) -> httpx.Response:
    data = said if isinstance(said, bytes) else msgspec.json.encode(said)
    answer: httpx.Response = home.client.post("/v1/draws", content=data, headers=JSON)
    return answer


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_beacons_draw_is_taken_in_its_turn_and_seats_the_panel_and_before_it_is_refused(
    withheld: House,
) -> None:
    claim = withheld.delivered("withheld")
    asked, due_ms = awaited(withheld, claim), overdue_ms(withheld, claim)
    first, second = sorted(BEACONS, key=lambda each: sha256(asked.alpha + each.did.encode()).digest())
    assert asked.key == withheld.draw.did
    for early in (first, second):
        assert refused(bring(withheld, early, asked)) == (422, "bad-draw")
    withheld.wait(lambda: clock.now_ms() >= due_ms - 2 * TURN_MS)
    assert awaited(withheld, claim).key == first.did
    for wrong in (second, withheld.draw):
        assert refused(bring(withheld, wrong, asked)) == (422, "bad-draw")
    assert refused(bring(withheld, first, asked, b"another input")) == (422, "bad-draw")
    assert withheld.get(f"/v1/claims/{claim}")["rounds"] == []
    taken = bring(withheld, first, asked)
    assert (taken.status_code, taken.json()["for"]) == (201, asked.of), taken.text
    entry = withheld.get(f"/v1/receipts/{taken.json()['index']}")
    assert entry["index"] == taken.json()["index"]
    assert len(withheld.get(f"/v1/claims/{claim}")["rounds"]) == 1
    assert len(withheld.wait(lambda: withheld.seated(claim, "opening"))) == 3
    assert refused(bring(withheld, first, asked)) == (409, "no-draw-due")


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"", (400, "malformed")),
        (b"\xff", (400, "malformed")),
        ([], (400, "malformed")),
        ({"for": f"{CLAIM}/1"}, (400, "malformed")),
        ({"for": f"{CLAIM}/1", "key": "did:key:nobody", "pi": ZEROS}, (400, "malformed")),
        ({"for": f"{CLAIM}/1", "key": BEACONS[0].did, "pi": ZEROS[1:]}, (400, "malformed")),
        ({"for": f"{CLAIM}/1", "key": BEACONS[0].did, "pi": ZEROS, "beta": ""}, (400, "malformed")),
        ({"for": "x" * 129, "key": BEACONS[0].did, "pi": ZEROS}, (400, "malformed")),
        ({"for": "\0/1", "key": BEACONS[0].did, "pi": ZEROS}, (400, "malformed")),
        ({"for": "/", "key": BEACONS[0].did, "pi": ZEROS}, (400, "malformed")),
        ({"for": f"{CLAIM}/1\n", "key": BEACONS[0].did, "pi": ZEROS}, (400, "malformed")),
        ({"for": "task/\0", "key": BEACONS[0].did, "pi": ZEROS}, (400, "malformed")),
        (b" " * 5_000, (413, "too-large")),
        ({"for": f"{CLAIM}/1", "key": BEACONS[0].did, "pi": ZEROS}, (409, "no-draw-due")),
        ({"for": "task/nothing", "key": BEACONS[0].did, "pi": ZEROS}, (409, "no-draw-due")),
    ],
)
def test_what_is_no_draw_or_is_not_awaited_gets_a_clear_error(
    town: House, said: Any, answer: tuple[int, str]
) -> None:
    got = _post(town, said)
    assert refused(got) == answer, got.text
    assert got.json()["detail"]
