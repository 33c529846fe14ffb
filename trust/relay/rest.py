"""The public HTTP interface of a coordinator: open tasks, decisions, a claim without a connection, a co-signature."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

import msgspec
import structlog

from trust.client.cosigning import Asked
from trust.core import strict
from trust.core.envelope import MAX_ENVELOPE_BYTES, Envelope
from trust.errors import ClientError, TrustError
from trust.relay.deciding import problem
from trust.relay.listening import MAX_POSTED_BYTES, Answer

if TYPE_CHECKING:
    from trust.relay.server import RelayServer

PATIENCE_S = 8.0
MAX_LIMIT = 1_000
MAX_POSTS_AT_ONCE = 256
_NUMBER = re.compile(r"-1|0|[1-9][0-9]{0,15}")
_log = structlog.get_logger("trust.relay")

Facts = dict[str, Any]


class Rest:
    """The answers of one coordinator."""

    def __init__(self, server: RelayServer) -> None:
        self._server = server
        self._posts = 0

    async def answer(self, method: str, target: str, body: bytes | None) -> Answer:
        """Returns status and body; every error becomes an answer too."""
        path, _, query = target.partition("?")
        parts = [unquote(part) for part in path.split("/")[1:]]
        try:
            async with asyncio.timeout(PATIENCE_S):
                if method == "POST":
                    return await self._posted(parts, body or b"")
                return 200, await self._read(parts, parse_qs(query, max_num_fields=8))
        except TrustError as error:
            return error.status or 400, problem(error)
        except strict.Malformed as error:
            return 400, {"status": 400, "code": error.code, "detail": str(error)}
        except ValueError as error:
            return 400, {"status": 400, "code": "bad-parameter", "detail": str(error)}
        except TimeoutError:
            return 503, {
                "status": 503,
                "code": "overloaded",
                "detail": "no answer in time: send the same again",
            }
        except Exception:
            _log.error("a request failed", path=path[:80], exc_info=True)
            return 500, {"status": 500, "code": "internal", "detail": "see the relay's log"}

    # -- POST

    async def _posted(self, parts: list[str], body: bytes) -> Answer:
        if self._posts >= MAX_POSTS_AT_ONCE:
            raise ClientError("overloaded", f"{self._posts} requests are under way", status=503)
        self._posts += 1
        try:
            match parts:
                case ["claim", task]:
                    signed = strict.parse(body, Envelope, max_bytes=MAX_ENVELOPE_BYTES)
                    return 201, await self._server.desk.claim(signed, task=task)
                case ["attest"]:
                    signed = strict.parse(body, Envelope, max_bytes=MAX_ENVELOPE_BYTES)
                    facts = await self._server.desk.attest(signed)
                    return facts["status"], facts
                case ["cosign"]:
                    request = strict.parse(body, Asked, max_bytes=MAX_POSTED_BYTES)
                    return 200, await self._server.desk.cosign(request)
        finally:
            self._posts -= 1
        raise _unknown(parts)

    # -- GET

    async def _read(self, parts: list[str], query: dict[str, list[str]]) -> Any:
        mirror = self._server.mirror
        match parts:
            case [""]:
                return self._about()
            case ["stats"]:
                return self._server.stats()
            case ["health"]:
                return {"status": "ok", "size": mirror.size}
            case ["tasks"]:
                return self._tasks(query)
            case ["tasks", task] if task in mirror.tasks:
                return self._server.offering.shown(mirror.tasks[task])
            case ["agents"]:
                return {"agents": self._server.peers(_one(query, "kind"))}
            case ["agents", did, "open"]:
                return self._open(did)
            case ["events"]:
                return await self._events(query)
            case ["feed", *rest]:
                return self._feed("/".join(rest))
        raise _unknown(parts)

    def _about(self) -> Facts:
        server, group = self._server, self._server.mirror.group
        return {
            "network": server.network,
            "relay": server.relay,
            "coordinator": server.did,
            "coordinators": group.coordinators,
            "threshold": group.threshold,
            "suspended": group.suspended,
            "size": server.mirror.size,
            "feed": {"vkey": server.feed.vkey, "size": server.feed.size},
            "connected": len(server.here),
            "waiting": sum(session.waiting for session in server.here.values()),
            "dropped": dict(server.drops),
            "traffic": server.traffic,
        }

    def _tasks(self, query: dict[str, list[str]]) -> Facts:
        """Returns the open tasks in the order of posting; `after` is the index of a posting."""
        kind, after, limit = _one(query, "kind"), _number(query, "after", -1), _limit(query)
        tasks: list[Facts] = []
        for work in self._server.mirror.tasks.values():
            if work.state == "open" and kind in ("", work.task_kind) and work.task_index > after:
                tasks.append(self._server.offering.shown(work))
                if len(tasks) == limit:
                    break
        return {"tasks": tasks, "after": tasks[-1]["task_index"] if len(tasks) == limit else None}

    def _open(self, did: str) -> Facts:
        """Returns the claims and tasks of an agent that are under way, as the log has them."""
        mirror = self._server.mirror
        claims = [held for held in mirror.claims.values() if did in (held.worker, held.requester)]
        tasks = [work for work in mirror.tasks.values() if work.requester == did or did in work.shortlist]
        return {
            "agent": did,
            "size": mirror.size,
            "claims": [msgspec.to_builtins(each) for each in claims],
            "tasks": [self._server.offering.shown(each) for each in tasks],
        }

    async def _events(self, query: dict[str, list[str]]) -> Facts:
        """Returns the entries of the log after an index; with `agent` only those that concern it."""
        agent, after, limit = _one(query, "agent"), _number(query, "after", -1), _limit(query)
        size = self._server.mirror.size
        entries = await self._server.mirror.entries(after, limit, agent)
        last = entries[-1].index if len(entries) == limit else max(after, size - 1)
        events = [
            {"index": each.index, "at_ms": each.at_ms, "kind": each.kind, "events": each.events}
            for each in entries
        ]
        return {"events": events, "after": last, "size": self._server.mirror.size}

    def _feed(self, path: str) -> bytes:
        if path == "checkpoint":
            return self._server.feed.checkpoint
        resource = self._server.feed.read(path)
        if resource is None:
            raise _unknown(["feed", path])
        return resource


def _one(query: dict[str, list[str]], name: str) -> str:
    return query.get(name, [""])[0]


def _number(query: dict[str, list[str]], name: str, default: int) -> int:
    text = _one(query, name)
    if not text:
        return default
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{name}: a log index, or -1")
    return int(text)


def _limit(query: dict[str, list[str]]) -> int:
    return max(1, min(MAX_LIMIT, _number(query, "limit", 100)))


def _unknown(parts: list[str]) -> ClientError:
    return ClientError("not-found", f"there is no /{'/'.join(parts)[:80]}", status=404)
