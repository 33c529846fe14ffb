"""Four ways to coordinate, on the same network and the same kind of work.

hierarchical   a router hands the parts of a batch to workers in the order of what depends on what
p2p            agents find each other, agree in private what each does for the other, and post what they agreed
event_driven   everybody consumes one feed of tasks, each of which is done once
hybrid         five steps: post, offer, claim, agree on the scope in private, deliver and notify
"""

from __future__ import annotations

from trust.sandbox.crew import Hand
from trust.sandbox.patterns.driving import Driver
from trust.sandbox.patterns.event_driven import EventDriven
from trust.sandbox.patterns.hierarchical import Hierarchical
from trust.sandbox.patterns.hybrid import Hybrid, HybridHand
from trust.sandbox.patterns.p2p import PeerHand, PeerToPeer

DRIVERS: dict[str, type[Driver]] = {
    "hierarchical": Hierarchical,
    "p2p": PeerToPeer,
    "event-driven": EventDriven,
    "hybrid": Hybrid,
}
HANDS: dict[str, type[Hand]] = {"hybrid": HybridHand, "p2p": PeerHand}


def hand_of(pattern: str) -> type[Hand]:
    """The agents of a pattern."""
    return HANDS.get(pattern, Hand)
