"""The messages between agents and relays over a WebSocket: one frozen type a message, unknown fields refused.

Every frame is one JSON object with a `type`. What an agent asks carries an `id` of its own choice, and the answer
carries it again: `answer` with the facts, or `refused` with a problem's members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from trust.core import strict
from trust.core.envelope import Envelope
from trust.core.payloads import Did, Id, Kinds, Name
from trust.core.receipt import Receipt

HELLO_CONTEXT = "trust/relay-hello/v1"
MAX_MESSAGE_BYTES = 256 * 1024
MAX_BODY_BYTES = 16 * 1024
MAX_ENVELOPES = 64
MAX_HELLO_BYTES = 4 * 1024

AskedId = Annotated[str, Meta(min_length=1, max_length=64)]
Contact = Annotated[str, Meta(max_length=256, pattern=r"^(wss?://[!-~]+)?$(?!\n)")]
Envelopes = Annotated[tuple[Envelope, ...], Meta(min_length=1, max_length=MAX_ENVELOPES)]


class Hello(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="hello"):
    """The agent's first message: `signature` is over `hello_bytes`, by `key` where the agent has changed its key
    since."""

    did: Did
    signature: str
    key: Did | None = None
    contact: Contact = ""


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", kw_only=True):
    """A request of an agent to its relay."""

    id: AskedId


class Subscribe(Asked, tag="subscribe", frozen=True, kw_only=True):
    """Subscribes to offers of tasks of these kinds; of none where the list is empty."""

    kinds: Kinds


class Allocate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A draw of those who may claim first: among `candidates`, or all who offer such work."""

    shortlist: Annotated[int, Meta(ge=1, le=128)]
    exclusive_ms: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    candidates: Annotated[tuple[Did, ...], Meta(max_length=128)] = ()


class Post(Asked, tag="post", frozen=True, kw_only=True):
    """The agent's own `task.post`s, to be brought to the service."""

    envelopes: Envelopes
    allocate: Allocate | None = None


class Claim(Asked, tag="claim", frozen=True, kw_only=True):
    """The agent's own `claim.request`."""

    envelope: Envelope


class Draw(Asked, tag="draw", frozen=True, kw_only=True):
    """The founder of a squad asks for the draw of who joins it, once the time for asks is over."""

    squad: Id
    exclusive_ms: Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Deliver(Asked, tag="deliver", frozen=True, kw_only=True):
    """Statements about the agent's own claims: output.submit, output.open, items.open, claim.renew, claim.abandon."""

    envelopes: Envelopes


class Notify(Asked, tag="notify", frozen=True, kw_only=True):
    """A message to another party that is connected here."""

    to: Did
    body: Any


class Introduce(Asked, tag="introduce", frozen=True, kw_only=True):
    """A request to give another party and this one each other's contact."""

    to: Did


class Peers(Asked, tag="peers", frozen=True, kw_only=True):
    """A request for the connected agents that take work of a kind."""

    task_kind: Name


class Cosign(Asked, tag="cosign", frozen=True, kw_only=True):
    """A request for a signature by a coordinator of the group, as by `POST /cosign`.

    With `bring` a claim whose threshold that signature completes is brought to the service by who gives it."""

    statement: Envelope
    receipt: Receipt | None = None
    bring: bool = False


class Pass(Asked, tag="pass", frozen=True, kw_only=True):
    """A request of another coordinator's agent about a party that may be connected here."""

    sender: Did
    contact: Contact
    asked: Notify | Introduce | Peers


Message = Subscribe | Post | Claim | Draw | Deliver | Notify | Introduce | Peers | Cosign | Pass


def hello_bytes(network: str, relay: str, coordinator: str, nonce: str) -> bytes:
    """Returns the bytes that an agent signs: valid for this network, relay, coordinator and connection alone."""
    return "".join(f"{line}\n" for line in (HELLO_CONTEXT, network, relay, coordinator, nonce)).encode()


def read_hello(frame: str | bytes) -> Hello:
    """Returns the hello in a frame. Raises `strict.Malformed`."""
    return strict.parse(_bytes(frame), Hello, max_bytes=MAX_HELLO_BYTES)


def read(frame: str | bytes) -> Asked:
    """Returns the request in a frame. Raises `strict.Malformed`."""
    asked: Asked = strict.parse(_bytes(frame), Message, max_bytes=MAX_MESSAGE_BYTES)
    meeting = asked.asked if isinstance(asked, Pass) else asked
    if isinstance(meeting, Notify) and len(encode(meeting.body)) > MAX_BODY_BYTES:
        raise strict.Malformed(f"a notification has at most {MAX_BODY_BYTES} bytes", "too-large")
    return asked


def id_of(frame: str | bytes) -> str:
    """Returns the `id` in a frame that could not be read otherwise, "" where there is none."""
    try:
        return str(msgspec.json.decode(_bytes(frame), type=_Identified).id)[:64]
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""


class _Identified(msgspec.Struct):
    id: str = ""


def encode(message: Mapping[str, Any] | Any) -> bytes:
    """Returns a message as JSON."""
    return msgspec.json.encode(message)


def _bytes(frame: str | bytes) -> bytes:
    return frame.encode("utf-8", "surrogatepass") if isinstance(frame, str) else bytes(frame)
