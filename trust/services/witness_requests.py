"""Asks one witness for its cosignature (C2SP tlog-witness `add-checkpoint`), and believes nothing that it answers.

1. The size that this witness saw last, as far as known, with the consistency proof from there, and the new note.
2. 409 with a size: the witness saw another one. It is asked again from there, a few times: replicas may be asking too.
3. 200: lines of a signed note. Only those count that a known key signed over this very text, at about this time.

All of it together has a second. An answer is read up to a few KiB; redirects are not followed, proxies not asked.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import httpx

from trust.log.note import NoteError, Signature, Verifier
from trust.log.quorum import Key
from trust.log.submission import Submission

PATIENCE_S = 1.0
MAX_ANSWER_BYTES = 16 * 1024
MAX_APART_S = 15
"""How far a witness's clock may be from ours; an auditor puts up with twice as much against the log's time."""
MAX_RESYNCS = 3
PATH = "/add-checkpoint"
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n?")


class NoCosignature(Exception):
    """A witness did not cosign: a word for counting, and a reason for people."""

    def __init__(self, word: str, reason: str) -> None:
        super().__init__(reason)
        self.word = word


@dataclass(frozen=True)
class CosignatureRequest:
    """The checkpoint to cosign: its size, text and signed note, the proof from an earlier size, whose keys count.

    `heard` is told what time it is by the clock of a witness that signed, whatever ours says.
    """

    size: int
    text: str
    note: bytes
    proof: Callable[[int], Sequence[bytes]]
    keys: Mapping[Key, Verifier]
    now_s: int
    note_time: Callable[[str, int], None] = lambda _who, _their_ms: None

    def body(self, old: int) -> bytes:
        """Returns the body of the request to a witness that saw `old` entries last."""
        return Submission(old, tuple(self.proof(old)), self.note).encode()


class Witness:
    """One witness as this process knows it: where it is asked, and the size that it saw last."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.old = 0

    async def cosign(self, client: httpx.AsyncClient, wanted: CosignatureRequest) -> list[Signature]:
        """Its cosignatures on what is wanted. Raises NoCosignature, never another error."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                status, body = await self._ask(client, wanted)
                for _ in range(MAX_RESYNCS):
                    if status != httpx.codes.CONFLICT:
                        break
                    self._resync(body, wanted)
                    status, body = await self._ask(client, wanted)
        except (TimeoutError, httpx.TimeoutException):
            raise NoCosignature("slow", f"no whole answer within {PATIENCE_S:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise NoCosignature("unreachable", _plain(str(error) or type(error).__name__)) from error
        if status == httpx.codes.UNPROCESSABLE_ENTITY and self.old == wanted.size:
            raise NoCosignature("forked", f"it says that it saw another tree of {wanted.size} entries")
        if status != httpx.codes.OK:
            raise NoCosignature("refused", f"it answered {status}")
        lines = _counting(body, wanted)
        self.old = wanted.size
        return lines

    async def _ask(self, client: httpx.AsyncClient, wanted: CosignatureRequest) -> tuple[int, bytes]:
        body = wanted.body(min(self.old, wanted.size))
        url = self.url.rstrip("/") + PATH
        received = b""
        async with client.stream("POST", url, content=body, headers={"content-type": "text/plain"}) as answer:
            async for chunk in answer.aiter_raw():
                received += chunk
                if len(received) > MAX_ANSWER_BYTES:
                    raise NoCosignature("wrong", f"its answer is longer than {MAX_ANSWER_BYTES} bytes")
        return answer.status_code, received

    def _resync(self, body: bytes, wanted: CosignatureRequest) -> None:
        """Takes the size that the witness names, where it can be true and was not tried."""
        match = _SIZE.fullmatch(body)
        if match is None:
            raise NoCosignature("wrong", "it answered 409 without a size")
        size = int(match[1])
        if size > wanted.size:
            raise NoCosignature(
                "ahead", f"it says that it saw {size} entries of this log, which has {wanted.size}"
            )
        if size == self.old:
            raise NoCosignature("forked", f"it says that it saw another tree of {size} entries")
        self.old = size


def _counting(body: bytes, wanted: CosignatureRequest) -> list[Signature]:
    """The lines of an answer that a known key signed, over this text, at about this time."""
    good, why = [], "nobody signed its answer whom the policy names"
    for line in body.decode("utf-8", "replace").split("\n"):
        try:
            line_signature = Signature.parse(line)
            key = wanted.keys.get((line_signature.name, line_signature.key_id))
            signed = None if key is None else key.check(wanted.text, line_signature)
        except NoteError as error:
            why = _plain(str(error))
            continue
        if signed is None or signed.time_s is None:
            continue
        wanted.note_time(line_signature.name, signed.time_s * 1_000)
        apart_s = signed.time_s - wanted.now_s
        if abs(apart_s) <= MAX_APART_S:
            good.append(signed)
        else:
            why = f"its clock is {apart_s} s ahead of ours"
    if not good:
        raise NoCosignature("wrong", why)
    return good


def _plain(text: str) -> str:
    """A reason that may hold what a stranger sent, for a log line or an answer."""
    return text.encode("ascii", "replace").decode()[:120]
