"""Agents that speak A2A show each other proofs: a data-only extension of the protocol (docs/a2a.md).

`extension.py` is what messages and tasks carry, and how a peer verifies it offline; `cards.py` signs cards and verifies
whose they are; `serving.py` is an agent that works for posted tasks. Needs the extra `a2a`.
"""
