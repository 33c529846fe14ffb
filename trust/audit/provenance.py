"""Whose fault a wrong result is: outputs, what each was made from, and the first of them that is wrong.

An output names what it was made from (docs/protocol.md 9.1). Its claim, votes and money are read from entries that
receipts prove. A claim that is named as an input had its output before, so the outputs in log order are in the order in
which they were made, and the first wrong one among those that a result was made from is where it went wrong: whoever
made something from it, rightly, has done nothing wrong.

What the service can do here is to hide: an output that delivered a digest, or one that was made from another. What it
shows is proven.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from trust.client import TrustClient
from trust.core import events as e
from trust.core.commands import effective
from trust.core.payloads import CLAIM, Artifact, OutputSubmit, TaskPost
from trust.errors import TrustError
from trust.verify.story import events_of

PPM = 1_000_000
MAX_OUTPUTS = 10_000
PENALTIES = ("slash.", "seat.slash")
"""How the reasons begin for which money is taken from whoever was wrong."""


@dataclass(frozen=True)
class Vote:
    """The verdict of one verifier in a round; "" where it gave none."""

    round: int
    verifier: str
    verdict: str


@dataclass(frozen=True)
class Output:
    """One output with all that was decided of it. Indices are entries, times ms, money units, rates ppm.

    `inputs` are the sources as they were named; `sources` the claims that they lead to. `checked` is None before the
    draw. `good` is what a second look says: True, False, or None where there was none; `why` is that look's own word.
    """

    claim: str
    task: str
    task_kind: str
    spec_sha256: str
    worker: str
    index: int
    artifacts: tuple[Artifact, ...]
    inputs: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    rate_ppm: int = PPM
    checked: bool | None = None
    votes: tuple[Vote, ...] = ()
    state: str = "submitted"
    open_until_ms: int = 0
    losses: tuple[tuple[str, int], ...] = ()
    good: bool | None = None
    why: str = ""


Judge = Callable[[Output, Sequence[Output]], tuple[bool | None, str]]
"""Says of an output, given those that it was made from, whether it is right, and why; None: it cannot say."""


@dataclass(frozen=True)
class Blame:
    """The outputs that some results were made from, in log order, the results among them; the first wrong one of
    them; and the outputs that were made from that one, in log order."""

    results: tuple[str, ...]
    outputs: tuple[Output, ...]
    first_wrong: Output | None
    built_on: tuple[Output, ...] = field(default=())


def blame(client: TrustClient, cases: Iterable[str], judge: Judge | None = None) -> Blame:
    """Walks back from the outputs of claims or tasks to everything that they were made from, has each judged again in
    the order in which they were made, and finds the first wrong one, and what was built on it.

    Without a judge the verdicts on the log say what is wrong. `TrustError` no-output where a case has none.
    """
    results = [output for case in cases for output in _outputs_of(client, case)]
    reached = _closure(client, results, lambda output: output.sources, {})
    judged: dict[str, Output] = {}
    for output in sorted(reached.values(), key=lambda each: each.index):
        sources = [judged[source] for source in output.sources]
        good, why = (judge or by_verdict)(output, sources)
        judged[output.claim] = replace(output, good=good, why=why)
    outputs = tuple(judged.values())
    wrong = next((output for output in outputs if output.good is False), None)
    built_on = () if wrong is None else _built_on(client, wrong, judged)
    return Blame(tuple(output.claim for output in results), outputs, wrong, built_on)


def by_verdict(output: Output, _sources: Sequence[Output]) -> tuple[bool | None, str]:
    """Returns what the log's own verdicts say of an output."""
    if output.state == "rejected":
        return False, "rejected by its panel"
    passed = [vote for vote in output.votes if vote.verdict == "pass"]
    return (
        (True, "passed by its panel")
        if passed and output.state == "accepted"
        else (None, "no panel judged it")
    )


def _closure(
    client: TrustClient,
    roots: Iterable[Output],
    onward: Callable[[Output], Iterable[str]],
    known: Mapping[str, Output],
) -> dict[str, Output]:
    """Returns the outputs that the roots lead to, by claim, themselves among them; what is known is not read."""
    outputs = {output.claim: output for output in roots}
    waiting = list(outputs.values())
    while waiting:
        for claim in onward(waiting.pop()):
            if claim not in outputs:
                if len(outputs) >= MAX_OUTPUTS:
                    raise TrustError("too-large", f"this leads to more than {MAX_OUTPUTS} outputs")
                outputs[claim] = known.get(claim) or read(client, claim)
                waiting.append(outputs[claim])
    return outputs


def _built_on(client: TrustClient, wrong: Output, judged: dict[str, Output]) -> tuple[Output, ...]:
    def later(output: Output) -> list[str]:
        return [made["claim"] for made in client.provenance(output.claim)["outputs"]]

    outputs = _closure(client, [wrong], later, judged)
    del outputs[wrong.claim]
    return tuple(sorted(outputs.values(), key=lambda output: output.index))


def _outputs_of(client: TrustClient, case: str) -> list[Output]:
    claims = [case] if case.startswith(CLAIM) else _delivered(client, case)
    if not claims:
        raise TrustError("no-output", f"{case} has no output")
    return [read(client, claim) for claim in claims]


def _delivered(client: TrustClient, task: str) -> list[str]:
    """Returns the claims with an output that a task stands by: the one that was not rejected, or all where each was."""
    claims = client.task(task)["claims"]
    with_output = [claim["claim"] for claim in claims if client.claim(claim["claim"])["output"]]
    standing = [claim["claim"] for claim in claims if claim["state"] not in ("rejected", "voided")]
    return [claim for claim in with_output if claim in standing] or with_output


def read(client: TrustClient, claim: str) -> Output:
    """Returns a claim's output as its entries tell it, each proven by its receipt; `TrustError` no-output."""
    proven = [client.receipt(entry["index"])[1] for entry in client.timeline(claim)]
    statements = {
        type(payload): (entry.index, payload)
        for entry in proven
        if entry.spoken is not None
        for payload in (effective(entry.spoken).payload,)
        if getattr(payload, "claim", claim) == claim
    }
    if OutputSubmit not in statements or TaskPost not in statements:
        raise TrustError("no-output", f"{claim} has no output")
    (index, output), (_, task) = statements[OutputSubmit], statements[TaskPost]
    assert isinstance(output, OutputSubmit)
    assert isinstance(task, TaskPost)
    known = Output(
        claim=claim,
        task=task.task,
        task_kind=task.task_kind,
        spec_sha256=task.spec_sha256,
        worker=output.actor,
        index=index,
        artifacts=output.artifacts,
        inputs=output.inputs,
        sources=_sources(client, claim, output),
    )
    return _decided(known, events_of(claim, [(entry.index, entry.data) for entry in proven]))


def _sources(client: TrustClient, claim: str, output: OutputSubmit) -> tuple[str, ...]:
    """Returns the claims that the inputs lead to; of those that delivered the same bytes, the first."""
    if not output.inputs:
        return ()
    shown = {each["input"]: each["claims"] for each in client.provenance(claim)["inputs"]}
    leads = [
        source if source.startswith(CLAIM) else next(iter(shown.get(source, ())), "")
        for source in output.inputs
    ]
    return tuple(dict.fromkeys(filter(None, leads)))


def _decided(output: Output, events: Sequence[e.Event]) -> Output:
    """Adds what was decided of an output: the coin, the panels, the end, and who lost what."""
    for event in events:
        match event:
            case e.ClaimOpened(rate_ppm=rate_ppm):
                output = replace(output, rate_ppm=rate_ppm)
            case e.CoinTossed(checked=checked, until_ms=until_ms):
                output = replace(output, checked=checked, open_until_ms=until_ms)
            case e.VerdictReached(until_ms=until_ms):
                output = replace(output, checked=True, open_until_ms=until_ms)
            case e.ClaimEnded(state=state):
                output = replace(output, state=state, open_until_ms=0)
    return replace(
        output, votes=tuple(_votes(events).values()), losses=tuple(_losses(output, events).items())
    )


def _votes(events: Iterable[e.Event]) -> dict[str, Vote]:
    """Returns who sat on which seat of which round, and what it said."""
    seats: dict[str, Vote] = {}
    for event in events:
        match event:
            case e.RoundOpened(round=number, seats=drawn):
                seats |= {each.seat: Vote(number, each.agent, "") for each in drawn}
            case e.SeatPassed(seat=seat, next=next_seat) if next_seat is not None:
                seats[next_seat.seat] = Vote(seats[seat].round, next_seat.agent, "")
            case e.VoteRevealed(seat=seat, verdict=verdict):
                seats[seat] = replace(seats[seat], verdict=verdict)
    return seats


def _losses(output: Output, events: Iterable[e.Event]) -> dict[str, int]:
    """Returns the penalties that a case cost each party, in units."""
    losses: dict[str, int] = {}
    for event in events:
        if isinstance(event, e.MoneyMoved) and event.why.startswith(PENALTIES):
            for account, units in event.postings:
                if units < 0:
                    owner = _owner(output, account)
                    losses[owner] = losses.get(owner, 0) - units
    return losses


def _owner(output: Output, account: str) -> str:
    """Returns whose money lies on an account that a penalty is taken from."""
    kind, name, *_ = account.split("/")
    return name if kind in ("verifier", "agent") else output.worker if kind == "claim" else account
