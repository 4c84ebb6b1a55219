"""What two stores know together: where logs are in another one, what they say is brought to the statement as a value.

Law: on one store this is a UNION as it would be written, and nothing is fetched.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    CompoundSelect,
    Connection,
    FromClause,
    Select,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.sql.visitors import iterate

from gantry.store.database import LOGS_APART
from gantry.store.log_tables import request_logs


def together(
    connection: Connection, pieces: Sequence[Select[Any]], unite: Callable[..., CompoundSelect[Any]] = union_all
) -> FromClause:
    """Return the rows of all pieces, which have the same columns, as something to select from."""
    if connection.get_execution_options().get(LOGS_APART):
        pieces = [_fetched(connection, one) if _is_of_logs(one) else one for one in pieces]
    return (pieces[0] if len(pieces) == 1 else unite(*pieces)).subquery()


def _is_of_logs(piece: Select[Any]) -> bool:
    return any(element is request_logs for element in iterate(piece))


def _fetched(connection: Connection, piece: Select[Any]) -> Select[Any]:
    """Return a statement for the rows that a piece has now: one value, for many would be too many."""
    rows = msgspec.json.encode([list(row) for row in connection.execute(piece)]).decode()
    columns = piece.selected_columns.items()
    if connection.dialect.name == "sqlite":
        found = func.json_each(bindparam(None, rows)).table_valued("value")
    else:
        found = func.json_array_elements(cast(bindparam(None, rows), JSON)).table_valued("value")
    return select(
        *(
            cast(found.c.value.op("->>")(literal_column(str(place))), column.type).label(name)
            for place, (name, column) in enumerate(columns)
        )
    )
