"""Parts of a network in network namespaces of their own, joined by links that lose everything without a word.

A cut link's ends send to an address that nobody has, so packets vanish and no reset ever comes: both sides are left
with half-open connections, which a proxy that closes its sockets never shows. Needs root and `ip`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

NOBODY = "02:00:00:00:00:fe"
_OCTET = 64 + os.getpid() % 64


def lacking() -> str:
    """What this machine lacks to make namespaces; "" where it can."""
    if shutil.which("ip") is None:
        return "there is no ip command"
    name = f"try-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    if made.returncode:
        return "namespaces cannot be made here: " + made.stderr.decode().strip()
    pair = [
        "ip",
        "link",
        "add",
        f"{name}a"[-15:],
        "type",
        "veth",
        "peer",
        "name",
        f"{name}b"[-15:],
        "netns",
        name,
    ]
    linked = subprocess.run(pair, capture_output=True, check=False)
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return (
        "" if linked.returncode == 0 else "veth links cannot be made here: " + linked.stderr.decode().strip()
    )


def inside(namespace: str) -> list[str]:
    """The start of a command that runs in a namespace; "" is the one that this process is in."""
    return ["ip", "netns", "exec", namespace] if namespace else []


@dataclass(frozen=True)
class End:
    """One end of a link."""

    namespace: str
    device: str
    address: str


@dataclass(frozen=True)
class Link:
    """Two namespaces that reach each other."""

    ends: tuple[End, End]

    def cut(self) -> None:
        """Loses every packet from now on, in both directions."""
        for here, there in (self.ends, self.ends[::-1]):
            to_nobody = ("lladdr", NOBODY, "nud", "permanent", "dev", here.device)
            _ip(here.namespace, "neigh", "replace", there.address, *to_nobody)

    def mend(self) -> None:
        """Delivers again."""
        for here, there in (self.ends, self.ends[::-1]):
            _ip(here.namespace, "neigh", "del", there.address, "dev", here.device)


def _ip(namespace: str, *words: str) -> None:
    subprocess.run([*inside(namespace), "ip", *words], check=True, capture_output=True)


@contextmanager
def joined(*pairs: tuple[str, str]) -> Iterator[list[Link]]:
    """Links between namespaces, each made where it is not "" (this process's own); all is removed in the end."""
    names = sorted({name for pair in pairs for name in pair if name})
    links = []
    try:
        for name in names:
            _ip("", "netns", "add", name)
            _ip(name, "link", "set", "lo", "up")
        for number, (one, other) in enumerate(pairs):
            ends = [
                End(name, f"v{os.getpid()}-{number}{side}"[-15:], f"10.{_OCTET}.{number}.{side}")
                for side, name in enumerate((one, other), 1)
            ]
            _ip("", "link", "add", ends[0].device, "type", "veth", "peer", "name", ends[1].device)
            for end in ends:
                if end.namespace:
                    _ip("", "link", "set", end.device, "netns", end.namespace)
                _ip(end.namespace, "addr", "add", f"{end.address}/24", "dev", end.device)
                _ip(end.namespace, "link", "set", end.device, "up")
            links.append(Link((ends[0], ends[1])))
        yield links
    finally:
        for name in names:  # its links go with it
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
