"""The endpoints that take one signed statement."""

from __future__ import annotations

ENDPOINTS = {
    "/v1/tasks": ("relay", "Post, allocate or cancel a task"),
    "/v1/claims": ("relay", "Claim a task: exactly one wins"),
    "/v1/agents": ("agent", "Register, rotate, enrol"),
    "/v1/outputs": ("agent", "Deliver and open outputs"),
    "/v1/votes": ("agent", "Commit to a verdict, reveal it; attest what was not taken"),
    "/v1/challenges": ("agent", "Challenge a verdict"),
    "/v1/evidence": ("agent", "Prove misbehaviour"),
    "/v1/stakes": ("agent", "Deposit, withdraw, pay out"),
    "/v1/admin": ("operator", "Relays, roles, policy"),
}
"""The tag and the summary of each endpoint in the description of the API."""
