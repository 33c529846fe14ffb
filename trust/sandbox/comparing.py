"""`trust sandbox compare`: the four patterns side by side on the same documents, and what survives the loss of a part.

Each pattern runs twice on a network of its own. The first run is undisturbed, and gives latency, throughput, messages,
and which share of a task's life is coordination (`GET /v1/stats/overhead`). In the second the parts are lost one after
the other for a few seconds each; what survives is how many outputs reached the log meanwhile, against as much time
before. A part that a pattern does not have cannot be lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import msgspec

from trust import clock
from trust.client import AsyncTrustClient
from trust.core import scoring
from trust.relay.running import PATIENT
from trust.sandbox import pattern_run
from trust.sandbox.board import Board
from trust.sandbox.crew import TASK_KIND
from trust.sandbox.pattern_run import Facts, Run, Tell
from trust.sandbox.patterns import DRIVERS
from trust.sandbox.patterns.driving import Driver, quiet
from trust.sandbox.patterns.p2p import PeerToPeer
from trust.sandbox.world import COORDINATORS, World

HOLD_S = 4.0
GAP_S = 5.0
CALM_S = 6.0
HOSTS = 2
LONGER = 8
"""So many times as many documents while parts are lost: the work should not be over before the last one."""
FILE = "compared.json"
DRIVER = "its driver"
PARTS: dict[str, tuple[str, ...]] = {
    DRIVER: (),
    "half of the agents": ("host-0",),
    "one of three coordinators": ("coordinator-0",),
    "the whole relay": tuple(f"coordinator-{number}" for number in range(COORDINATORS)),
    "the service": ("service",),
}
"""What is lost, by the processes that are killed; a driver (router, publisher, requester) is held instead."""
DRIVEN = frozenset({"hierarchical", "event-driven", "hybrid"})


class Compared(msgspec.Struct, frozen=True):
    """One pattern: tasks a second; the median and 99th percentile of each leg in ms; the share of coordination in ppm;
    messages and bytes a task; outputs during each loss in percent of those in as long a time undisturbed (None: there
    is no such part, or the work was done by then); whether everything held."""

    pattern: str
    tasks: int
    tasks_per_s: float
    wait_ms: tuple[int, int]
    work_ms: tuple[int, int]
    settle_ms: tuple[int, int]
    coordination_ppm: int
    messages: float
    bytes: int
    survives: dict[str, int | None]
    held: bool


async def compare(
    data: Path,
    agents: int,
    size: int,
    seed: int,
    tell: Tell,
    patterns: Sequence[str] = (),
    losses: bool = True,
) -> list[Compared]:
    """These patterns, or all four, each with `size` documents (for p2p as many in all); what is known so far lies in
    `compared.json` too."""
    results = []
    for pattern in patterns or DRIVERS:
        tell(pattern, "undisturbed")
        each = max(1, size // agents) if pattern == "p2p" else size
        calm = await pattern_run.play(Run(pattern, data / pattern / "calm", agents, each, seed, HOSTS), tell)
        survives: dict[str, int | None] = {}
        if losses:
            tell(pattern, "while parts are lost")
            lossy = Run(pattern, data / pattern / "lossy", agents, LONGER * each, seed, HOSTS)
            survives = await _Losses(lossy, tell).play()
        results.append(compared(calm, survives))
        (data / FILE).write_bytes(msgspec.json.encode(results))
    return results


def compared(calm: Facts, survives: dict[str, int | None]) -> Compared:
    """Returns the figures of a pattern's run."""
    figures, traffic = calm["figures"], calm["relay"]["traffic"]
    tasks = max(1, figures["tasks"])
    messages = traffic.get("sent", 0) + traffic.get("received", 0)
    size = traffic.get("sent_bytes", 0) + traffic.get("received_bytes", 0)
    legs = [(figures[leg]["p50_ms"], figures[leg]["p99_ms"]) for leg in _LEGS]
    return Compared(
        pattern=calm["pattern"],
        tasks=figures["tasks"],
        tasks_per_s=figures["tasks_per_s"],
        wait_ms=legs[0],
        work_ms=legs[1],
        settle_ms=legs[2],
        coordination_ppm=calm["overhead"]["network"]["total"]["coordination_ppm"],
        messages=round(messages / tasks, 1),
        bytes=size // tasks,
        survives=survives,
        held=all(calm["held"].values()),
    )


_LEGS = ("post_to_claim", "claim_to_output", "output_to_end")


class _Losses:
    """A run in which one part after the other is lost for a while, and given back."""

    def __init__(self, run: Run, tell: Tell) -> None:
        self.run = run
        self.tell = tell
        names = [f"agent-{number:02}" for number in range(run.agents)]
        self.world = World(run.data, run.seed, names, ["rosa"], run.hosts)

    async def play(self) -> dict[str, int | None]:
        """Outputs during each loss, in percent of those in as long a time undisturbed."""
        try:
            return await self._play()
        finally:
            await self.world.processes.stop()

    async def _play(self) -> dict[str, int | None]:
        run, world = self.run, self.world
        await world.make()
        board = Board(world.url("service"))
        following = asyncio.create_task(board.follow())
        await board.until("pool.sealed", pool=scoring.verifier_pool(TASK_KIND), count=run.agents)
        if run.pattern == "p2p":
            world.relays = dict.fromkeys(range(run.hosts), world.place.urls)
        await world.host(run.pattern, documents=run.size)
        async with AsyncTrustClient(world.place.service, world.place.vkey, retry=PATIENT) as client:
            driver = DRIVERS[run.pattern](client, board, world.place, world.key("rosa"), run.size)
            if isinstance(driver, PeerToPeer):
                driver.agents = run.agents
            await driver.join()
            driving = asyncio.create_task(driver.drive())
            try:
                return await self._strike_all(driver, board, driving)
            finally:
                await quiet(driving)
                await driver.leave()
                await world.leave()
                await quiet(following)

    async def _strike_all(
        self, driver: Driver, board: Board, driving: asyncio.Task[Facts]
    ) -> dict[str, int | None]:
        await board.until("output.submitted")
        began_ms = clock.now_ms()
        await asyncio.sleep(CALM_S)
        calm_per_ms = outputs(board, began_ms, clock.now_ms()) / (clock.now_ms() - began_ms)
        shares: dict[str, int | None] = {}
        for part, names in PARTS.items():
            if part == DRIVER and self.run.pattern not in DRIVEN:
                shares[part] = None
                continue
            struck_ms = clock.now_ms()
            await self._strike(driver, names)
            healed_ms = clock.now_ms()
            await self._heal(driver, names)
            await asyncio.sleep(GAP_S)
            during, usual = outputs(board, struck_ms, healed_ms), calm_per_ms * (healed_ms - struck_ms)
            shares[part] = None if driving.done() or not usual else round(100 * during / usual)
            self.tell(self.run.pattern, f"without {part}: {during} outputs, {usual:.1f} undisturbed")
        return shares

    async def _strike(self, driver: Driver, names: Sequence[str]) -> None:
        if names:
            for name in names:
                self.world.kill(name)
        else:
            driver.goes_on.clear()
        await asyncio.sleep(HOLD_S)

    async def _heal(self, driver: Driver, names: Sequence[str]) -> None:
        driver.goes_on.set()
        for name in names:
            await self.world.start(name)
        for name in names:
            if not name.startswith("host-"):
                await self.world.ready(name)


def outputs(board: Board, start_ms: int, end_ms: int) -> int:
    """How many outputs the log took between two moments."""
    return sum(start_ms <= event["at_ms"] < end_ms for event in board.all("output.submitted"))


# -- for people


def markdown(results: Sequence[Compared]) -> list[str]:
    """The table, as it stands in the documentation."""
    heads = [
        "pattern",
        "tasks/s",
        "open to claim",
        "claim to output",
        "to settlement",
        "coordination",
        "a task",
    ]
    parts = [f"without {part}" for part in PARTS if any(part in each.survives for each in results)]
    lines = ["| " + " | ".join([*heads, *parts]) + " |", "|" + "---|" * (len(heads) + len(parts))]
    for each in results:
        legs = [f"{p50} ms, p99 {p99} ms" for p50, p99 in (each.wait_ms, each.work_ms, each.settle_ms)]
        cells = [each.pattern, f"{each.tasks_per_s:g}", *legs, f"{each.coordination_ppm / 10_000:.0f} %"]
        cells.append(f"{each.messages:g} messages, {each.bytes / 1_000:.1f} kB")
        cells += [_share(each.survives[part.removeprefix("without ")]) for part in parts]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _share(percent: int | None) -> str:
    return "-" if percent is None else f"{percent} %"


INK, LEFT, WIDE, ROW, TOP = "#808080", 110, 150, 26, 60
COLOURS = {"hierarchical": "#d0722b", "p2p": "#4a86c8", "event-driven": "#2a9d5c", "hybrid": "#9a8f97"}
Measure = Callable[[Compared], float]
PANELS: tuple[tuple[str, str, Measure], ...] = (
    ("tasks a second", "{:.1f}", lambda each: each.tasks_per_s),
    ("open to claim, median ms", "{:.0f}", lambda each: float(each.wait_ms[0])),
    ("messages a task", "{:.0f}", lambda each: each.messages),
    ("outputs in the loss of a part, mean %", "{:.0f}", lambda each: _mean(each.survives)),
)


def _mean(survives: dict[str, int | None]) -> float:
    """A part that there is not cannot be lost: it counts as surviving whole."""
    shares = [100 if share is None else min(100, share) for share in survives.values()]
    return sum(shares) / max(1, len(shares))


def svg(results: Sequence[Compared]) -> str:
    """A bar a pattern in a panel a measure: the text of an SVG file."""
    width, height = LEFT + len(PANELS) * (WIDE + 70), TOP + ROW * len(results) + 20
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" fill="{INK}"',
        f' width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
    ]
    for row, each in enumerate(results):
        lines.append(
            f'<text x="{LEFT - 12}" y="{TOP + ROW * row + 15}" text-anchor="end">{each.pattern}</text>'
        )
    for place, (title, form, measure) in enumerate(PANELS):
        left = LEFT + place * (WIDE + 70)
        most = max([measure(each) for each in results] or [1.0]) or 1.0
        lines.append(f'<text x="{left}" y="{TOP - 16}">{escape(title)}</text>')
        for row, each in enumerate(results):
            y, wide = TOP + ROW * row, WIDE * measure(each) / most
            colour = COLOURS[each.pattern]
            lines.append(f'<rect x="{left}" y="{y + 2}" width="{wide:.1f}" height="18" fill="{colour}"/>')
            lines.append(f'<text x="{left + wide + 6:.1f}" y="{y + 15}">{form.format(measure(each))}</text>')
    return "\n".join([*lines, "</svg>", ""])
