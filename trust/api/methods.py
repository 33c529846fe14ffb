"""Which methods each path has: for `Allow`, for HEAD wherever there is GET, and for what other web pages may call.

A page of another origin may read, so the methods that read are granted to it, on each path those that it has and no
other. What writes takes a signed statement and has no need of a page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from litestar.routes import HTTPRoute

READS = ("GET", "HEAD")
POSTED_READS = frozenset({"/v1/priorities", "/v1/claims/check"})
_PARAMETER = re.compile(r"\\\{[^}]*?(:path)?\\\}")


class Methods:
    """The methods of every path of the application."""

    def __init__(self, routes: Iterable[object]) -> None:
        by_path: dict[str, set[str]] = {}
        for route in routes:
            if isinstance(route, HTTPRoute):
                by_path.setdefault(route.path, set()).update(map(str, route.methods))
        self._fixed = {path: _whole(methods) for path, methods in by_path.items() if "{" not in path}
        self._others = [(_pattern(path), _whole(methods)) for path, methods in by_path.items() if "{" in path]

    def of(self, path: str) -> tuple[str, ...]:
        """The methods of a path in alphabetical order; none where there is no such path."""
        path = path.rstrip("/") or "/"
        if path in self._fixed:
            return self._fixed[path]
        return next((methods for pattern, methods in self._others if pattern.fullmatch(path)), ())

    def granted(self, path: str) -> tuple[str, ...]:
        """Those that a web page of any origin may use."""
        return tuple(method for method in self.of(path) if is_read(method, path))


def is_read(method: str, path: str) -> bool:
    """Returns whether a request changes nothing."""
    return method in READS or (method == "POST" and path in POSTED_READS)


def _whole(methods: set[str]) -> tuple[str, ...]:
    return tuple(sorted({*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])}))


def _pattern(path: str) -> re.Pattern[str]:
    part = lambda match: ".+" if match[1] else "[^/]+"  # noqa: E731
    return re.compile(_PARAMETER.sub(part, re.escape(path)))
