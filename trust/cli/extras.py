"""The parts of this distribution that are installed on request, and which of them a missing module belongs to."""

from __future__ import annotations

from importlib.util import find_spec

DISTRIBUTION = "agent-trust-log"
MODULES = {
    "alembic": "server",
    "apscheduler": "server",
    "granian": "server",
    "litestar": "server",
    "numpy": "server",
    "prometheus_client": "server",
    "psycopg": "server",
    "scipy": "server",
    "sqlalchemy": "server",
    "sqlmodel": "server",
    "jinja2": "server",
    "rich": "simulation",
    "cryptography": "mldsa",
    "mcp": "mcp",
    "a2a": "a2a",
    "opentelemetry": "otel",
}
"""The extra that brings a module."""


def of(error: ModuleNotFoundError) -> str:
    """Returns the extra that brings the module which was not found; "" where none does."""
    return MODULES.get((error.name or "").partition(".")[0], "")


def need(extra: str) -> None:
    """ModuleNotFoundError, which the command line explains, where a module of an extra is missing."""
    for module in (name for name, brings in MODULES.items() if brings == extra):
        if find_spec(module) is None:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
