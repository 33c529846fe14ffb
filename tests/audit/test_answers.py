"""What a service answers is held against its own log: a balance, a score, a state or an order that is not the log's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.house import House, house
from tests.audit.networks import signer
from tests.core.witnesses import two_of_three
from tests.services.statements import Party
from tests.services.witnesses import honest_ones
from trust.audit import auditing
from trust.audit.auditing import audit
from trust.audit.fetching import HttpSource
from trust.audit.report import CannotCheck, Report, Step
from trust.core.payloads import EvidenceSubmit, OutputOpen, Part, SquadCall
from trust.log.checkpoint import Checkpoint
from trust.log.note import Signer, sign_note
from trust.log.quorum import parse_quorum

Lie = Callable[[str, Any], None]
Heard = list[httpx.Request]
LOG = Signer("trust.example.org/test", Party("log").seed)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A service on which one claim was checked and another is open."""
    folder = tmp_path_factory.mktemp("house")
    with house(folder, f"sqlite:///{folder / 'trust.db'}") as running:
        running.settle_in(verifiers=5)
        checked = running.delivered("checked")
        running.wait(lambda: running.get(f"/v1/claims/{checked}")["state"] == "checking")
        running.done("/v1/outputs", running.say(OutputOpen, running.workers[0], claim=checked))
        running.vote(checked, "pass")
        running.wait(lambda: running.get(f"/v1/claims/{checked}")["ended_ms"])
        running.claimed("open")
        parts = (Part("head", 400_000), Part("body", 600_000))
        running.done("/v1/tasks", running.task_post("shared", parts=parts, relay=running.relay))
        until_ms = running.now_ms + 500_000
        said = {"task": "shared", "stake_units": 200, "asks_until_ms": until_ms - 1, "until_ms": until_ms}
        running.done("/v1/claims", running.say(SquadCall, running.workers[0], **said))
        forked = tuple(
            sign_note(Checkpoint(LOG.name, 7, bytes([n]) * 32).body(), LOG).decode() for n in (1, 2)
        )
        fork = running.say(EvidenceSubmit, running.requester, type="log-fork", statements=(), notes=forked)
        running.done("/v1/evidence", fork)
        yield running


def proxied(
    town: House, lie: Lie | None = None, heard: Heard | None = None, size: str | None = None
) -> HttpSource:
    """The service behind a proxy, which changes what it answers under /v1."""

    def handle(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        found = town.client.request(request.method, path, content=request.content, headers=request.headers)
        body = found.content
        if path.startswith("/v1/"):
            if heard is not None:
                heard.append(request)
            if lie is not None and found.status_code == httpx.codes.OK:
                said = json.loads(body)
                lie(request.url.path, said)
                body = json.dumps(said).encode()
        named = found.headers.get("trust-size", "") if size is None else size
        return httpx.Response(found.status_code, content=body, headers={"trust-size": named})

    return HttpSource("https://trust.example.org", httpx.MockTransport(handle), pause_s=0)


@pytest.fixture(scope="module")
def audited(town: House, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the state is of an audit that found all of it true."""
    folder = tmp_path_factory.mktemp("audited")
    assert audit(proxied(town), town.vkey, folder, sample=0).ok
    return folder


Ask = Callable[..., Report]


@pytest.fixture
def asked(town: House, audited: Path) -> Ask:
    """An audit through such a proxy, which goes on from an earlier one; it asks for few agents."""

    def ask(lie: Lie | None = None, size: str | None = None, sample: int = 3) -> Report:
        return audit(proxied(town, lie, size=size), town.vkey, audited, sample=sample)

    return ask


def line(report: Report, step: Step) -> tuple[bool | None, str]:
    """What the report says of a step."""
    (found,) = [each for each in report.steps if each.step is step]
    return found.ok, found.finding or found.counted


def test_the_answers_of_an_honest_service_are_those_of_its_log(town: House) -> None:
    heard: Heard = []
    report = audit(proxied(town, heard=heard), town.vkey)
    assert report.findings == ()
    assert [each.ok for each in report.steps] == [True] * 8
    paths = {request.url.path.split("/")[2] for request in heard}
    named = {
        "stats",
        "agents",
        "priorities",
        "claims",
        "tasks",
        "seats",
        "relays",
        "squads",
        "convictions",
        "due",
    }
    assert paths == named
    assert line(report, Step.ANSWERS) == (True, f"{len(heard) - 1} compared")


def test_entries_that_come_while_it_asks_are_replayed_before_answers_are_compared(
    asked: Ask, town: House
) -> None:
    grown: list[str] = []

    def grow(path: str, said: Any) -> None:
        if path.startswith("/v1/agents/") and len(grown) < 5:
            grown.append(path)
            town.done("/v1/stakes", town.deposit(town.workers[0].did, 3))

    report = asked(grow)
    assert report.findings == ()
    assert len(grown) == 5


LIES: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "a balance": ("/v1/agents/", lambda said: said["balances"].update(free_units=7), "balances.free_units"),
    "what is staked": ("/v1/agents/", lambda said: said["balances"].update(staked_units=-1), "staked_units"),
    "what is bonded": ("/v1/agents/", lambda said: said["balances"].update(bonded_units=9), "bonded_units"),
    "a party that left": ("/v1/agents/", lambda said: said.update(left="revoked"), "left"),
    "a sum": ("/v1/stats", lambda said: said.update(burnt_units=1), "burnt_units"),
    "a count": ("/v1/stats", lambda said: said.update(claims=99), "claims"),
    "a leg": (
        "/v1/stats/overhead",
        lambda said: said["pairs"][0]["total"]["wait"].update(p50_ms=1),
        "p50_ms",
    ),
    "what coordination takes": (
        "/v1/stats/overhead",
        lambda said: said["network"]["total"].update(coordination_ppm=1),
        "coordination_ppm",
    ),
    "advice": ("/v1/stats/overhead", lambda said: said["network"]["advice"].append({}), "advice"),
    "a claim's state": ("/v1/claims/", lambda said: said.update(state="rejected"), "state"),
    "a claim's stake": ("/v1/claims/", lambda said: said.update(staked_units=0.0), "staked_units"),
    "a challenge": ("/v1/claims/", lambda said: said["challenges"].append({}), "challenges"),
    "a deadline": ("/v1/claims/", lambda said: said.update(lease_until_ms=1), "lease_until_ms"),
    "a task's claims": ("/v1/tasks/", lambda said: said["claims"].clear(), "claims"),
    "a task's escrow": ("/v1/tasks/", lambda said: said.update(escrow_units=1), "escrow_units"),
    "an order": ("/v1/priorities", lambda said: said["candidates"].reverse(), "candidates[0]"),
    "a rank": ("/v1/priorities", lambda said: said["candidates"][0].update(rank_ppm=1), "rank_ppm"),
}


@pytest.mark.parametrize("name", LIES)
def test_an_answer_that_is_not_the_logs_is_named(name: str, asked: Ask) -> None:
    prefix, change, place = LIES[name]

    def lie(path: str, said: Any) -> None:
        if path.startswith(prefix) and not path.endswith("/reputation"):
            change(said)

    report = asked(lie)
    assert not report.ok
    assert line(report, Step.ANSWERS)[0] is False
    (finding,) = report.findings
    assert finding.reason.startswith(prefix)
    assert place in finding.reason
    assert "the log leads to" in finding.reason
    assert line(report, Step.DECISIONS)[0] is True


LISTS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "tasks that are hidden": ("/v1/tasks", lambda said: said["tasks"].clear()),
    "claims that are hidden": ("/v1/claims", lambda said: said["claims"].clear()),
    "agents in another order": ("/v1/agents", lambda said: said["agents"].reverse()),
    "a relay that is in favour": ("/v1/relays", lambda said: said["relays"][0].update(threshold=7)),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_is_not_the_logs_is_named(name: str, asked: Ask) -> None:
    path, change = LISTS[name]

    def lie(asked_path: str, said: Any) -> None:
        if asked_path == path:
            change(said)

    (finding,) = asked(lie).findings
    assert finding.reason.startswith((f"{path}?", f"{path}: "))
    assert "the log leads to" in finding.reason


def _newest(per: str, name: str) -> Callable[[Any], Any]:
    """Changes a figure of the newest hour or day."""
    return lambda said: said["periods"][0].update({name: -1}) if said["per"] == per else None


SUMMARIES: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "an hour's count": ("/v1/stats/periods?per=hour", _newest("hour", "claims"), "claims"),
    "an hour's share": ("/v1/stats/periods?per=hour", _newest("hour", "checked_ppm"), "checked_ppm"),
    "a day's legs": ("/v1/stats/periods?per=day", _newest("day", "wait_ms"), "wait_ms"),
    "a day's pool": ("/v1/stats/periods?per=day", _newest("day", "pool_units"), "pool_units"),
    "a period that is hidden": (
        "/v1/stats/periods?per=hour",
        lambda said: said["periods"].clear(),
        "periods",
    ),
    "a squad's founder": ("/v1/squads", lambda said: said["squads"][0].update(founder="nobody"), "founder"),
    "a squad that is hidden": ("/v1/squads", lambda said: said["squads"].clear(), "squads"),
    "who was convicted": (
        "/v1/convictions",
        lambda said: said["convictions"][0].update(party="nobody"),
        "party",
    ),
    "a conviction's words": (
        "/v1/convictions",
        lambda said: said["convictions"][0]["words"].clear(),
        "words",
    ),
    "a conviction that is hidden": (
        "/v1/convictions",
        lambda said: said["convictions"].clear(),
        "convictions",
    ),
    "a date": ("/v1/due", lambda said: said["due"][0].update(due_ms=1), "due_ms"),
    "who has to act": ("/v1/due", lambda said: said["due"][0].update(agent="nobody"), "agent"),
    "a date that is hidden": ("/v1/due", lambda said: said["due"].pop(), "due"),
}


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_summary_that_is_not_the_logs_is_named(name: str, town: House, audited: Path) -> None:
    asked_path, change, place = SUMMARIES[name]

    def lie(path: str, said: Any) -> None:
        if path == asked_path.partition("?")[0]:
            change(said)

    (finding,) = audit(proxied(town, lie), town.vkey, audited, sample=0).findings
    assert finding.reason.startswith(f"{asked_path}: ")
    assert place in finding.reason
    assert "the log leads to" in finding.reason


def test_a_squad_that_is_not_the_logs_is_named(asked: Ask) -> None:
    (finding,) = asked(
        lambda path, said: said.update(state="expired") if path.startswith("/v1/squads/") else None
    ).findings
    assert finding.reason.startswith("/v1/squads/sqd_")
    assert "state" in finding.reason


@pytest.mark.parametrize(
    "name", ["expected_ppm", "priority_ppm", "good_slow_milli", "liveness_ppm", "stake_units"]
)
def test_a_score_that_is_not_the_logs_is_named(name: str, asked: Ask, town: House) -> None:
    def lie(path: str, said: Any) -> None:
        if path.endswith("/reputation"):
            for told in (said, *said["scores"]):
                if name in told:
                    told[name] += 1

    (finding,) = asked(lie, sample=len(town.get("/v1/agents")["agents"])).findings
    assert "/reputation: " in finding.reason
    assert name in finding.reason


@pytest.mark.parametrize("size", ["0", "1000000", "", "nonsense"])
def test_an_answer_as_of_a_size_that_the_log_never_signed_is_false(size: str, asked: Ask) -> None:
    (finding,) = asked(size=size).findings
    assert finding.step is Step.ANSWERS
    assert "as of" in finding.reason


def test_a_service_that_denies_what_its_log_has_is_named(
    asked: Ask, town: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = town.client.request

    def forgetful(method: str, path: str, **more: Any) -> Any:
        return genuine(method, path.replace("/v1/claims/clm_", "/v1/claims/clm_a"), **more)

    monkeypatch.setattr(town.client, "request", forgetful)
    (finding,) = asked().findings
    assert finding.reason.startswith("/v1/claims/clm_")
    assert "denied" in finding.reason


def test_who_is_asked_for_is_chosen_by_the_root_and_bounded(town: House) -> None:
    def paths(sample: int | None) -> tuple[str, list[str]]:
        heard: Heard = []
        report = audit(proxied(town, heard=heard), town.vkey, sample=sample)
        assert report.ok
        named = [request.url.path for request in heard if request.url.path.startswith("/v1/agents/")]
        return report.root, sorted(path for path in named if not path.endswith("reputation"))

    size = -1
    while size != (
        size := town.get("/v1/stats")["size"]
    ):  # until no entry came meanwhile: each asks for others
        few, again = paths(2), paths(2)
    assert few == again
    every = paths(None)[1]
    assert len(few[1]) == 2
    assert set(few[1]) < set(every)
    assert len(every) == town.get("/v1/stats")["parties"]


def test_a_service_that_fails_while_it_is_asked_cannot_be_checked(
    asked: Ask, town: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = town.client.request

    def broken(method: str, path: str, **more: Any) -> Any:
        return httpx.Response(500) if path.startswith("/v1/claims") else genuine(method, path, **more)

    monkeypatch.setattr(town.client, "request", broken)
    with pytest.raises(CannotCheck, match="/v1/claims"):
        asked()


def test_a_static_log_has_no_answers_to_compare(log: Path) -> None:
    report = audit(str(log), str(signer().verifier))
    assert line(report, Step.ANSWERS) == (None, "no service behind the log was asked")


def test_answers_beyond_what_witnesses_cosigned_wait_for_them_and_cannot_be_checked_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "PAUSE_S", 0.1)
    with ExitStack() as witnesses:
        urls = witnesses.enter_context(honest_ones(tmp_path, LOG.verifier, "w1", "w2"))
        changes = {"witnesses": tuple(urls), "witness_interval_ms": 50}
        url = f"sqlite:///{tmp_path / 'trust.db'}"
        with house(tmp_path, url, changes, quorum=two_of_three(), epoch_ms=600_000) as town:
            town.done("/v1/agents", town.register(town.requester))
            town.wait(lambda: town.get("/health/ready")["witnesses"]["cosigned_size"] == 2)
            report = audit(proxied(town), town.vkey, quorum=parse_quorum(two_of_three()))
            assert report.findings == ()
            assert [each.ok for each in report.steps] == [True] * len(Step)
            assert line(report, Step.WITNESSES) == (True, "2 of 3 witnesses: w1, w2")
            witnesses.close()
            town.done("/v1/agents", town.register(town.workers[0]))
            with pytest.raises(CannotCheck, match="its witnesses have not cosigned"):
                audit(proxied(town), town.vkey)
