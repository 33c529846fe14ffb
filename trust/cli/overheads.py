"""The cost of coordination, from two sides: the service's times by task kind and relay, and coordinators' own
counts (messages, bytes, queues), joined by the relay's id.

The log proves the first; the second is a coordinator's own word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import msgspec

from trust.core.overhead import queue_advice
from trust.core.policy import PPM, Coordination
from trust.errors import Unusable
from trust.relay.figures import a_task
from trust.simulation.chart import INK, text

Facts = dict[str, Any]
MAX_BYTES = 64 * 1024
HINT = "give the address of a coordinator: http://HOST:PORT of trust relay serve"
TIMEOUT_S = 10.0
LEGS = ("wait", "work", "settle")
COLOURS = dict(zip(LEGS, ("#d0722b", "#2a9d5c", "#4a86c8"), strict=True))
SAID = {"wait": "open to claim", "work": "claim to output", "settle": "output to settlement"}


class Queue(msgspec.Struct, frozen=True):
    waiting: int
    most: int
    bound: int


class RelayStats(msgspec.Struct, frozen=True):
    """A coordinator's answer to `GET /stats`, as far as it is used here."""

    network: str
    relay: str
    coordinator: str
    tasks: dict[str, int]
    traffic: dict[str, int]
    queues: dict[str, Queue]


def asked(address: str) -> RelayStats:
    """Returns a coordinator's own figures; `Unusable` where it does not answer with them."""
    try:
        with httpx.stream("GET", f"{address.rstrip('/')}/stats", timeout=TIMEOUT_S) as answer:
            answer.raise_for_status()
            body = b""
            for part in answer.iter_bytes():
                body += part
                if len(body) > MAX_BYTES:
                    raise Unusable(f"{address} says more than {MAX_BYTES} bytes", HINT)
        return msgspec.json.decode(body, type=RelayStats)
    except (httpx.HTTPError, httpx.InvalidURL, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unusable(
            f"{address} does not say what it counts: {type(error).__name__}: {error}",
            HINT,
        ) from error


def together(pages: Sequence[Facts], relays: Sequence[RelayStats]) -> Facts:
    """The service's answer with all pairs, and with what the coordinators of each relay counted."""
    terms = msgspec.convert(pages[0]["thresholds"], Coordination)
    by_relay: dict[str, dict[str, RelayStats]] = {}
    for each in relays:
        by_relay.setdefault(each.relay, {})[each.coordinator] = each
    facts = {name: value for name, value in pages[0].items() if name != "after"}
    return facts | {
        "pairs": [pair for page in pages for pair in page["pairs"]],
        "relays": [
            _relay(relay, list(figures.values()), terms) for relay, figures in sorted(by_relay.items())
        ],
    }


def _relay(relay: str, coordinators: Sequence[RelayStats], terms: Coordination) -> Facts:
    tasks, traffic = Counter[str](), Counter[str]()
    fill_ppm: dict[str, int] = {}
    for each in coordinators:
        tasks.update(each.tasks)
        traffic.update(each.traffic)
        for name, queue in each.queues.items():
            share = queue.most * PPM // max(1, queue.bound)
            fill_ppm[f"{each.coordinator[-12:]}/{name}"] = share
    return {
        "relay": relay,
        "coordinators": len(coordinators),
        "tasks": dict(tasks),
        "traffic": dict(traffic),
        "a_task": a_task(traffic, tasks["claimed"]),
        "queues_ppm": fill_ppm,
        "advice": msgspec.to_builtins(queue_advice(fill_ppm, terms)),
    }


# -- for people


def lines(facts: Facts) -> Iterator[str]:
    """The figures in lines: of the network, of each pair, of each relay."""
    yield f"as of entry {facts['as_of']['size'] - 1}"
    yield from _record("the network", facts["network"])
    for pair in facts["pairs"]:
        yield from _record(f"{pair['task_kind']} through {pair['relay']}", pair)
    for relay in facts["relays"]:
        yield from _relay_lines(relay)


def _record(name: str, figures: Facts) -> Iterator[str]:
    total = figures["total"]
    if not total["claims"]:
        yield f"{name}: no claim with an output has ended, {total['lost']} without one"
        return
    share = f"{total['coordination_ppm'] / 10_000:.1f} % of a task's life is coordination"
    waiting = f"{total['waiting_milli'] / 1_000:.2f} tasks open at a time"
    yield f"{name}: {total['claims']} claims, {total['lost']} without an output; {share}; {waiting}"
    for leg in LEGS:
        took = total[leg]
        yield (
            f"  {SAID[leg]:<21} median {took['p50_ms']} ms, p90 {took['p90_ms']} ms, p99 {took['p99_ms']} ms, "
            f"{took['share_ppm'] / 10_000:.1f} %"
        )
    yield from (f"  -> {each['said']}" for each in figures["advice"])


def _relay_lines(relay: Facts) -> Iterator[str]:
    tasks, each = relay["tasks"], relay["a_task"]
    counted = ", ".join(f"{count} {name}" for name, count in tasks.items())
    yield f"{relay['relay']}, {relay['coordinators']} coordinators asked: {counted}"
    if each["bytes"] is not None:
        yield f"  a task: {each['messages_milli'] / 1_000:.1f} messages, {each['bytes'] / 1_000:.1f} kB"
    fullest = max(relay["queues_ppm"].values(), default=0)
    yield f"  its fullest queue was {fullest / 10_000:.1f} % full lately"
    yield from (f"  -> {advice['said']}" for advice in relay["advice"])


# -- the chart

ROW, TOP, LEFT, WIDE, RIGHT = 30, 56, 250, 420, 190


def svg(facts: Facts) -> str:
    """A bar for the network and each pair: which share of a task's life each leg is. The text of an SVG file."""
    rows = [("the network", facts["network"])]
    rows += [(f"{pair['task_kind']} via {pair['relay'][:12]}", pair) for pair in facts["pairs"]]
    shown = [(name, figures["total"]) for name, figures in rows if figures["total"]["claims"]]
    height, width = TOP + ROW * len(shown) + 30, LEFT + WIDE + RIGHT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" fill="{INK}"',
            f' width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
            text(8, 20, "which share of a task's life is coordination, by the log's own times"),
            *_legend(),
            *(line for row, (name, total) in enumerate(shown) for line in _bar(row, name, total)),
            "</svg>",
            "",
        ]
    )


def _legend() -> Iterator[str]:
    for place, (leg, colour) in enumerate(COLOURS.items()):
        x = LEFT + place * 150
        yield f'<rect x="{x}" y="32" width="10" height="10" fill="{colour}"/>'
        yield text(x + 15, 41, SAID[leg])


def _bar(row: int, name: str, total: Facts) -> Iterator[str]:
    y, x = TOP + ROW * row, float(LEFT)
    yield text(LEFT - 12, y + 17, name, "end")
    for leg in LEGS:
        wide = WIDE * total[leg]["share_ppm"] / PPM
        yield f'<rect x="{x:.1f}" y="{y + 4}" width="{wide:.1f}" height="18" fill="{COLOURS[leg]}"/>'
        x += wide
    medians = " / ".join(str(total[leg]["p50_ms"]) for leg in LEGS)
    yield text(LEFT + WIDE + 12, y + 17, f"{medians} ms")
