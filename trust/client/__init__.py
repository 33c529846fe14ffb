"""The SDK: sign, send, retry safely, and believe nothing that does not verify.

wire.py        requests and answers without I/O       exchanges.py   every conversation with the service
transports.py  httpx, blocking and asyncio            clients.py     `TrustClient`, `AsyncTrustClient`
statements.py  signed envelopes from payloads         items.py       a batch's tree, openings and blobs
outbox.py      what has no answer yet, on disk        canaries.py    the operator's secrets
signers.py     keys that stay elsewhere
cosigning.py   an envelope passed round               following.py   the log as it is written
speculation.py work before a claim or a check is decided
agents.py, requester.py, worker.py, verifier.py (votes.py: its memory), relay.py, operator.py   the roles
"""

from __future__ import annotations

from trust.client.agents import Agent
from trust.client.clients import AsyncTrustClient, TrustClient
from trust.client.exchanges import Accepted, Retry
from trust.client.following import Following
from trust.client.operator import Operator, Treasurer
from trust.client.outbox import Outbox
from trust.client.problems import ServiceError, Unreachable
from trust.client.relay import Granted, Relay
from trust.client.requester import Requester
from trust.client.signers import key_at, remote_key
from trust.client.speculation import Attempt, Early, Lost, TakenBack
from trust.client.verifier import Act, Case, Judge, Judgement, Verifier
from trust.client.worker import Worker
from trust.errors import ClientError
from trust.verify.failures import NotProven

__all__ = [
    "Accepted", "Act", "Agent", "AsyncTrustClient", "Attempt", "Case", "ClientError", "Early", "Following", "Granted",
    "Judge", "Judgement", "Lost", "NotProven", "Operator", "Outbox", "Relay", "Requester", "Retry", "ServiceError",
    "TakenBack", "Treasurer", "TrustClient", "Unreachable", "Verifier", "Worker", "key_at", "remote_key",
]  # fmt: skip
