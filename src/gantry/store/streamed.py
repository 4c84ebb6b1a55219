"""Rows that are read a part at a time: a million of them are never in memory together.

Law: whoever stops before the last row leaves nothing open. PostgreSQL reads them through a cursor of its own, which
holds what it was made from until it is closed or the transaction ends. The option goes with the statement, and not with
the connection, on which it would stay: each later question of the transaction would be asked by a cursor, too.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, Select

__all__ = ["streamed"]


def streamed(connection: Connection, statement: Select[Any], at_once: int) -> Iterator[Row[Any]]:
    """Yield the rows that a statement finds, of which so many are read at once."""
    with connection.execute(statement, execution_options={"yield_per": at_once}) as rows:
        yield from rows
