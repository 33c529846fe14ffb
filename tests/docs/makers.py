"""Which part of the documentation is made by which function."""

from __future__ import annotations

from tests.docs import examples, tables

MAKERS = {**tables.TABLES, **examples.EXAMPLES}
