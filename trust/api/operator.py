"""The reads of an operator: health, readiness, version and metrics."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import msgspec
from litestar import Controller, Response, get, post

from trust import __version__, clock
from trust.api.bodies import HttpRequest, read
from trust.api.documents import json_body
from trust.api.problems import PROBLEM_TYPE, refusal_problem
from trust.api.service import Service, Serving, answer
from trust.api.views import network
from trust.api.views.readiness import Outlook, readiness, small_pools
from trust.core import overhead, strict
from trust.core.entry import FORMAT
from trust.core.overhead import Reading
from trust.core.rules.changes import KNOWN
from trust.errors import TrustError
from trust.services.disk_space import free_bytes
from trust.services.drawing import Brought, bring
from trust.services.publishing import cosigned_head
from trust.services.receipts import Refusal
from trust.services.sequencing import MAX_SKEW_MS
from trust.storage.cosigned import CosignedHead
from trust.storage.engine import file_of
from trust.storage.holdings import clock_skew_ms
from trust.storage.reading import Reader
from trust.storage.unit import Head
from trust.storage.waiting import Waiting, waiting

MAX_DRAW_BYTES = 1_024
METRICS_TYPE = "text/plain; version=0.0.4"


def brought(data: bytes) -> Brought:
    """The draw in a body; TrustError `malformed` otherwise."""
    try:
        return strict.parse(data, Brought, max_bytes=MAX_DRAW_BYTES)
    except strict.Malformed as error:
        raise TrustError(error.code, str(error)) from error


class Measured(NamedTuple):
    """The head, the newest cosigned one, what coordination took lately, what waits, and how many pools are small."""

    head: Head
    cosigned: CosignedHead | None
    spent: Reading
    waits: Waiting
    small_pools: int


def _measured(reader: Reader) -> Measured:
    head = reader.head()
    lately = overhead.recent(network.network_overhead(reader), head.at_ms)
    waits = waiting(reader.connection, clock.now_ms())
    return Measured(head, cosigned_head(reader)[1], overhead.reading(lately), waits, len(small_pools(reader)))


def _disk_free_bytes(service: Service) -> int:
    """The room on the fullest disk that this process writes to."""
    file = file_of(service.settings.database_url)
    places = [service.settings.data_dir, *([file.parent] if file is not None else [])]
    return min(map(free_bytes, places))


class OperatorController(Controller):
    """Draws that operators of beacons bring."""

    path = "/v1"
    tags = ("operator",)

    @post("/draws", operation_class=json_body(Brought), summary="A draw by the beacon whose turn it is")
    async def post_draw(self, request: HttpRequest, service: Serving) -> Response[bytes]:
        draw_brought = brought(await read(request, MAX_DRAW_BYTES))
        draw = await service.on_reader(bring, service.database, draw_brought)
        [outcome] = await asyncio.wrap_future(service.sequencer.submit([draw]))
        if isinstance(outcome, Refusal):
            status, problem = refusal_problem(outcome)
            return answer(msgspec.json.encode(problem), status, PROBLEM_TYPE)
        return answer(msgspec.json.encode({"for": draw_brought.of, "index": outcome.index}), 201)


class HealthController(Controller):
    """Liveness, readiness, version and metrics of this process."""

    tags = ("operator",)

    @get("/health/live", summary="The process answers")
    async def live(self) -> Response[bytes]:
        return answer(b'{"status":"live"}')

    @get(
        "/health/ready",
        summary="The database answers, the log is not frozen; warns of silent witnesses",
    )
    async def ready(self, request: HttpRequest, service: Serving) -> Response[bytes]:
        if service.sequencer.frozen:
            raise TrustError("log-frozen", service.sequencer.frozen)
        if service.notifier.closed:
            raise TrustError("shutting-down")
        if doubt := clock.process.doubt():
            raise TrustError("clock-in-doubt", doubt)
        if wrong := service.vitals.wrong():
            raise TrustError("overloaded", wrong[0], reasons=wrong)
        skew_ms = await service.run(request, lambda reader: clock_skew_ms(reader.connection, clock.now_ms()))
        if abs(skew_ms) > MAX_SKEW_MS:
            raise TrustError(
                "clock-in-doubt", f"this machine's clock is {skew_ms} ms ahead of the database's"
            )
        notices = await service.on_reader(service.notices)
        outlook = Outlook(service.vitals.shown(), service.settings.head_copy, notices, service.scrub.last)
        shown = await service.run(request, readiness, service.cosigning.quorum_state(), outlook)
        return answer(msgspec.json.encode(shown))

    @get("/version", summary="Release, log format and the newest rules it knows")
    async def version(self, request: HttpRequest, service: Serving) -> Response[bytes]:
        vkey = await service.run(request, network.vkey)
        about = {"version": __version__, "format": FORMAT, "rules": max(KNOWN), "vkey": vkey}
        return answer(msgspec.json.encode(about))

    @get("/metrics", media_type="text/plain", summary="Prometheus metrics")
    async def metrics(self, request: HttpRequest, service: Serving) -> Response[bytes]:
        head, cosigned, spent, waits, pools = await service.run(request, _measured)
        quorum = service.cosigning.quorum_state()
        for each in quorum.witnesses:
            good = each.state == "cosigned"
            service.telemetry.witnessed(each.witness, good=good, good_ago_ms=each.good_ago_ms)
        text = service.telemetry.text(
            log_entries=head.size,
            log_age_ms=max(0, clock.now_ms() - head.at_ms),
            inbox_statements=service.sequencer.waiting,
            cosigned_entries=cosigned.size if cosigned else 0,
            cosigned_age_ms=max(0, clock.now_ms() - cosigned.at_ms) if cosigned else 0,
            quorum_missing_ms=quorum.missing_ms,
            coordination_ppm=spent.coordination_ppm,
            wait_p50_ms=spent.wait.p50_ms,
            work_p50_ms=spent.work.p50_ms,
            settle_p50_ms=spent.settle.p50_ms,
            waiting_milli=spent.waiting_milli,
            draws_waiting=waits.draws,
            draws_oldest_ms=waits.draws_oldest_ms,
            due_late_ms=waits.due_late_ms,
            disputes_open=waits.disputes,
            pools_small=pools,
            jobs_late=service.vitals.late(),
            disk_free_bytes=await service.on_reader(_disk_free_bytes, service),
            disk_reserve_bytes=service.settings.disk_reserve_bytes,
            batch_ms=service.sequencer.batch_ms,
        )
        return answer(text, media_type=METRICS_TYPE)
