"""Whose fault a wrong result is: five agents work on each other's outputs, one of them lies."""

from __future__ import annotations

import json
import random
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.api.house import House, body_of, house
from tests.cli.served import serving
from tests.services.statements import Party
from trust.audit import provenance_report
from trust.audit.provenance import Blame, blame
from trust.cli import run
from trust.client import TrustClient
from trust.client.wire import Request, Response
from trust.core import payloads
from trust.errors import TrustError
from trust.programs.checking import judge
from trust.programs.command import Limits

AGENTS = 5
LIE = 1_000
EACH_LIES = (0, 1, 2, 5, 7)
"""Seeds under which each of the five lies once."""
WINDOWS: dict[str, Any] = {
    "open_ms": 600_000,
    "draw_ms": 600_000,
    "notice_ms": 3_000_000,
    "unbonding_ms": 20_000_000,
}

CHECK = """
import json, sys
case = json.load(sys.stdin)
def number(digest):
    return json.loads(open(f"blobs/{digest}").read())["number"]
total = number(case["spec_sha256"]) + sum(number(a["sha256"]) for each in case["inputs"] for a in each["artifacts"])
right = number(case["artifacts"][0]["sha256"]) == total
print(json.dumps({"verdict": "pass" if right else "fail", "reason": f"the sum is {total}"}))
"""
"""An output is right where its number is that of its specification and of all that it was made from."""


@dataclass
class Floor:
    """A service where five agents add numbers up, each from what others delivered."""

    house: House
    agents: list[Party]

    def client(self) -> TrustClient:
        transport = self.house.client._transport
        return TrustClient("http://testserver.local", self.house.vkey, transport=transport)

    def add(
        self,
        task: str,
        worker: Party,
        inputs: Sequence[str],
        number: int,
        total: int,
        attested: bool = False,
    ) -> tuple[str, str]:
        """One task, claimed and delivered, or attested by the relay; returns its claim and the output's digest."""
        spec, data = (json.dumps({"number": each, "of": task}).encode() for each in (number, total))
        assert self.house.store(spec, self.house.requester).status_code in (200, 201)
        assert self.house.store(data, worker).status_code in (200, 201)
        posted = self.house.task_post(task, spec_sha256=sha256(spec).hexdigest())
        index = self.house.done("/v1/tasks", posted)["receipt"]["index"]
        claim = self.house.done("/v1/claims", self.house.claim(task, index, worker))["result"]["claim"]
        digest = sha256(data).hexdigest()
        artifact = payloads.Artifact(name="total.json", sha256=digest, size_bytes=len(data))
        said = self.house.say(
            payloads.OutputSubmit, worker, claim=claim, artifacts=(artifact,), inputs=tuple(inputs)
        )
        if attested:
            shown = {"statement": body_of(said).decode(), "shown_ms": self.house.now_ms}
            said = self.house.say(payloads.RelayAttest, self.house.coordinator, **shown)
        self.house.done("/v1/votes" if attested else "/v1/outputs", said)
        return claim, digest


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    directory = tmp_path_factory.mktemp("floor")
    with house(directory, f"sqlite:///{directory / 'trust.db'}", **WINDOWS) as running:
        running.settle_in()
        agents = [Party(f"adder {number}") for number in range(AGENTS)]
        for agent in agents:
            running.done("/v1/agents", running.register(agent))
            running.done("/v1/stakes", running.deposit(agent.did, 10**9))
        yield Floor(running, agents)


@dataclass(frozen=True)
class Run:
    """Five outputs, the last of them made from all that are not made from already; `liar` is whose number is false."""

    claims: tuple[str, ...]
    tasks: tuple[str, ...]
    liar: int
    ancestors: frozenset[int]


def play(floor: Floor, seed: int) -> Run:
    """Who works on what, and who lies, follows from the seed; every other agent adds rightly what it was given."""
    chance = random.Random(seed)
    liar = chance.randrange(AGENTS)
    made: list[tuple[str, str]] = []
    totals: list[int] = []
    used: set[int] = set()
    above: list[set[int]] = []
    for number in range(AGENTS):
        sources = [each for each in range(number) if chance.random() < 0.5]
        if number == AGENTS - 1:
            sources = sorted({*sources, *(each for each in range(number) if each not in used)})
        used |= set(sources)
        above.append({number}.union(*(above[each] for each in sources)))
        named = [made[each][chance.randrange(2)] for each in sources]  # by claim, or by what it delivered
        own = chance.randrange(1, 100)
        total = own + sum(totals[each] for each in sources) + (LIE if number == liar else 0)
        claim, digest = floor.add(f"add-{seed}-{number}", floor.agents[number], named, own, total)
        made.append((claim, digest))
        totals.append(total)
    claims = tuple(claim for claim, _ in made)
    return Run(claims, tuple(f"add-{seed}-{n}" for n in range(AGENTS)), liar, frozenset(above[-1]))


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that judges one sum."""
    script = tmp_path_factory.mktemp("check") / "check.py"
    script.write_text(CHECK)
    return [sys.executable, "-I", "-S", str(script)]


def told(found: Blame) -> str:
    return "\n".join(provenance_report.lines(found))


@pytest.mark.parametrize(
    "seed",
    [seed if seed in EACH_LIES else pytest.param(seed, marks=pytest.mark.slow) for seed in range(20)],
)
def test_of_five_agents_the_one_is_named_that_was_wrong_first(
    floor: Floor, command: list[str], seed: int
) -> None:
    run = play(floor, seed)
    client = floor.client()
    found = blame(client, [run.tasks[-1]], judge(client, command, Limits()))
    assert found.results == (run.claims[-1],)
    assert {output.claim for output in found.outputs} == {run.claims[each] for each in run.ancestors}
    assert found.first_wrong is not None
    assert found.first_wrong.claim == run.claims[run.liar], told(found)
    assert found.first_wrong.worker == floor.agents[run.liar].did
    assert [each.claim for each in found.outputs if each.good is False] == [run.claims[run.liar]]
    assert (run.liar == AGENTS - 1) == (not found.built_on)
    text = told(found)
    assert f"It went wrong in {run.tasks[run.liar]}: {floor.agents[run.liar].did} signed" in text
    ET.fromstring(provenance_report.svg(found))
    assert json.loads(json.dumps(provenance_report.facts(found)))["first_wrong"] == run.claims[run.liar]


def test_what_was_built_on_a_wrong_output_is_named_though_it_does_not_lead_to_the_result(
    floor: Floor, command: list[str]
) -> None:
    wrong, digest = floor.add("bad-root", floor.agents[0], [], 1, 1 + LIE)
    result, _ = floor.add("from-bad", floor.agents[1], [wrong], 2, 3 + LIE)
    elsewhere, _ = floor.add("also-from-bad", floor.agents[2], [digest], 3, 4 + LIE)
    client = floor.client()
    found = blame(client, [result], judge(client, command, Limits()))
    assert found.first_wrong is not None
    assert found.first_wrong.claim == wrong
    assert [each.claim for each in found.built_on] == [result, elsewhere]
    assert "It was made from no other output." in told(found)


def test_a_wrong_output_that_is_found_too_late_for_a_challenge_is_told_as_accepted_with_what_was_built_on_it(
    floor: Floor, command: list[str]
) -> None:
    wrong, _ = floor.add("late-root", floor.agents[0], [], 1, 1 + LIE)
    result, _ = floor.add("late-result", floor.agents[1], [wrong], 2, 3 + LIE)
    client = floor.client()
    found = blame(client, [result], judge(client, command, Limits()))
    assert found.first_wrong is not None
    settled = replace(found, first_wrong=replace(found.first_wrong, state="accepted", open_until_ms=0))
    text = told(settled)
    assert "The time for challenges is over, and it stays accepted." in text
    assert "Made from it since, and to be looked at again: 1 outputs." in text
    assert text.index("stays accepted") < text.index("Made from it since") < text.rindex("late-result")


def test_without_a_command_the_verdicts_on_the_log_say_what_is_wrong(floor: Floor) -> None:
    run = play(floor, 1_000)
    found = blame(floor.client(), [run.tasks[-1]])
    assert found.first_wrong is None
    assert told(found).endswith("None of them is known to be wrong.")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("import time; time.sleep(60)", "it did not end within 0.5 s"),
        ("raise ValueError('broken')", "the command ended with 1: ValueError: broken"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "it was ended by SIGKILL"),
        ("print('x' * (1 << 25), flush=True)", "OSError: [Errno 27] File too large"),
        ("bytearray(1 << 33)", "the command ended with 1: MemoryError"),
        ("print('fine')", "what the command printed is no verdict"),
        ('print(\'{"verdict": "guilty"}\')', "what the command printed is no verdict"),
    ],
)
def test_a_command_that_hangs_crashes_or_floods_says_nothing_of_an_output(
    floor: Floor, script: str, why: str, request: pytest.FixtureRequest
) -> None:
    task = f"judged-{request.node.callspec.indices['script']}"
    claim, _ = floor.add(task, floor.agents[0], [], 1, 1)
    command = [sys.executable, "-I", "-S", "-c", script]
    client = floor.client()
    (output,) = blame(client, [claim], judge(client, command, Limits(seconds=0.5))).outputs
    assert output.good is None
    assert why in output.why


def test_a_command_that_is_not_there_says_so(floor: Floor) -> None:
    claim, _ = floor.add("no-command", floor.agents[0], [], 1, 1)
    client = floor.client()
    (output,) = blame(client, [claim], judge(client, ["/no/such/command"], Limits())).outputs
    assert (output.good, output.why) == (
        None,
        "/no/such/command cannot be run: it is not there, or is no program",
    )


def test_an_output_cannot_be_made_from_one_that_is_not_there(floor: Floor) -> None:
    index = floor.house.done("/v1/tasks", floor.house.task_post("early"))["receipt"]["index"]
    asked = floor.house.claim("early", index, floor.agents[3])
    empty = floor.house.done("/v1/claims", asked)["result"]["claim"]
    artifact = payloads.Artifact(name="a", sha256="ab" * 32, size_bytes=1)
    for source, code in ((empty, "no-output"), ("clm_" + "a" * 26, "unknown-claim")):
        said = floor.house.say(
            payloads.OutputSubmit, floor.agents[3], claim=empty, artifacts=(artifact,), inputs=(source,)
        )
        answer = floor.house.post_to("/v1/outputs", said)
        assert answer.json()["code"] == code, answer.text


def test_a_case_without_an_output_leads_nowhere(floor: Floor) -> None:
    floor.house.done("/v1/tasks", floor.house.task_post("nobody-came"))
    with pytest.raises(TrustError, match="no-output"):
        blame(floor.client(), ["nobody-came"])


def test_what_was_made_from_what_is_shown_in_both_directions(floor: Floor) -> None:
    root, digest = floor.add("root-again", floor.agents[0], [], 1, 1)
    made, _ = floor.add("made-again", floor.agents[1], [root, digest], 2, 3)
    shown = floor.house.get(f"/v1/claims/{root}/provenance")
    assert [each["claim"] for each in shown["outputs"]] == [made]
    assert shown["outputs"][0]["inputs"] == [root, digest]
    back = floor.house.get(f"/v1/claims/{made}/provenance")
    assert back["inputs"] == [{"input": root, "claims": [root]}, {"input": digest, "claims": [root]}]


def test_an_output_that_its_relay_attested_is_an_input_like_any_other(
    floor: Floor, command: list[str]
) -> None:
    root, digest = floor.add("attested-root", floor.agents[0], [], 1, 1 + LIE, attested=True)
    made, _ = floor.add("from-attested", floor.agents[1], [digest], 2, 3 + LIE)
    (shown,) = floor.house.get(f"/v1/claims/{made}/provenance")["inputs"]
    assert shown == {"input": digest, "claims": [root]}
    client = floor.client()
    found = blame(client, [made], judge(client, command, Limits()))
    assert {output.claim: output.sources for output in found.outputs} == {root: (), made: (root,)}
    assert found.first_wrong is not None
    assert (found.first_wrong.claim, found.first_wrong.worker) == (root, floor.agents[0].did)


def test_the_command_line_names_the_first_wrong_output_and_draws_the_graph(
    floor: Floor, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong, _ = floor.add("shown-root", floor.agents[0], [], 1, 1 + LIE)
    floor.add("shown-result", floor.agents[1], [wrong], 2, 3 + LIE)
    picture = tmp_path / "graph.svg"

    def forward(request: Request) -> Response:
        said = floor.house.client.request(request.method, request.path, content=request.body)
        return Response(said.status_code, said.content, {"Content-Type": said.headers["content-type"]})

    with serving(forward) as url:
        asked = ["explain", "shown-result", "--url", url, "--vkey", floor.house.vkey]
        assert run([*asked, "--check", shlex.join(command), "--picture", str(picture)]) == 0
        assert "It went wrong in shown-root" in capsys.readouterr().out
        assert "shown-root" in picture.read_text()
        assert run([*asked, "--provenance", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["first_wrong"] is None
