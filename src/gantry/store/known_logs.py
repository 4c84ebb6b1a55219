"""Which of some logs are stored already?"""

from collections.abc import Collection
from typing import Final

from sqlalchemy import Connection, select

from gantry.store.log_tables import request_logs

MOST_ASKED: Final = 500  # at once: each is a parameter of the statement


def known_logs(connection: Connection, log_ids: Collection[str]) -> set[str]:
    """Return those of some ids that a log has."""
    query = select(request_logs.c.log_id).where(request_logs.c.log_id.in_(log_ids))
    return set(connection.scalars(query))
