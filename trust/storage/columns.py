"""What a column may hold: 64-bit integers, text, bytes, JSON. `Key...` is part of the primary key; `Find...` has
an index of its own and never changes once the row is there, so that replacing a row leaves that index alone.

SQLModel's own `int` has 32 bits on PostgreSQL. Text compares by code point on both databases, as it does in
the rulebook: a collation of the server's choice would settle timers in another order than an auditor does.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from sqlalchemy import BigInteger, Integer, LargeBinary, Text
from sqlalchemy.dialects.postgresql import TEXT as POSTGRES_TEXT
from sqlmodel import Field, SQLModel

_WHOLE = BigInteger().with_variant(Integer(), "sqlite")
_WORDS = Text().with_variant(POSTGRES_TEXT(collation="C"), "postgresql")

Whole = Annotated[int, Field(sa_type=_WHOLE)]
Words = Annotated[str, Field(sa_type=_WORDS)]
Bytes = Annotated[bytes, Field(sa_type=LargeBinary)]
Json = Annotated[str, Field(sa_type=Text)]
KeyWhole = Annotated[int, Field(sa_type=_WHOLE, primary_key=True, sa_column_kwargs={"autoincrement": False})]
KeyWords = Annotated[str, Field(sa_type=_WORDS, primary_key=True)]
FindWhole = Annotated[int, Field(sa_type=_WHOLE, index=True)]
FindWords = Annotated[str, Field(sa_type=_WORDS, index=True)]


class Clustered(SQLModel):
    """SQLite: the rows lie in the primary key's own tree, so that a write touches one tree and not two."""

    __table_args__: ClassVar[Any] = {"sqlite_with_rowid": False}
