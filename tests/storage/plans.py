"""How a database answers: the plans of the queries that a call makes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, event

_ONLY_BY_INDEX = ("enable_seqscan", "enable_sort", "enable_incremental_sort", "enable_bitmapscan")


def plans_of(connection: Connection, call: Callable[[], object]) -> list[str]:
    """The plan of each query that a call makes, with the query. PostgreSQL takes a scan or a sort only where no index
    can answer, however few rows there are."""
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        asked.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    call()
    event.remove(connection, "before_cursor_execute", note)
    if connection.dialect.name == "postgresql":
        for setting in _ONLY_BY_INDEX:
            connection.exec_driver_sql(f"SET LOCAL {setting} = off")
    return [_plan(connection, statement, parameters) for statement, parameters in asked]


def _plan(connection: Connection, statement: str, parameters: Any) -> str:
    explain = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    rows = connection.exec_driver_sql(f"{explain} {statement}", parameters).all()
    return "\n".join([statement, *(str(row[-1]) for row in rows)])


def troubles(plan: str) -> list[str]:
    """The lines of a plan that read a whole table (but the head, which is one row), or sort."""
    lines = plan.splitlines()[1:]
    return [line for line in lines if _scans(line) or "TEMP B-TREE" in line or re.search(r"\bSort\b", line)]


def _scans(line: str) -> bool:
    whole = re.search(r"\bSCAN (?!json_each|head\b|CONSTANT|anon_|\d|\()(\w+)(?! USING)\b", line)
    return re.search(r"Seq Scan on (?!head\b)", line) is not None or (
        whole is not None and " USING " not in line
    )
