"""Followers of the logs: whoever does something with each log once it is stored, and how far it has come.

Law: a follower's mark is in the store, so it goes on where it was, at the end of what it finished. One process at a
time follows: it holds the mark for a while, and whoever comes when that is over takes it.

A follower that is new begins with what is stored from then on.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, case, func, or_, select, update

from gantry.core.request_log import RequestLog
from gantry.store.database import Database
from gantry.store.log_days import COUNTER
from gantry.store.log_query import with_said
from gantry.store.log_rows import log_of
from gantry.store.log_tables import followers, request_log_bodies, request_logs

_PACKED_FOR_A_CHARACTER: Final = 8  # bytes of content as it is kept, the raw exchange among them


class Followed(Struct, frozen=True):
    """Logs in order of arrival, each with its number."""

    numbers: list[int]
    logs: list[RequestLog]


def begin_following(database: Database, connection: Connection, name: str) -> None:
    """Make a follower's mark where there is none: at the end of what is stored."""
    end = connection.scalar(select(func.max(request_logs.c.seq))) or 0
    values = {"name": name, "seq": end, "holder": "", "held_until": 0}
    database.insert_if_absent(connection, followers, values)


def claim(connection: Connection, name: str, holder: str, now: int, until: int) -> int | None:
    """Hold a mark for a while and return it; None while another holds it."""
    mine = or_(followers.c.holder == holder, followers.c.held_until < now)
    statement = update(followers).where(followers.c.name == name, mine).values(holder=holder, held_until=until)
    mark: int | None = connection.scalar(statement.returning(followers.c.seq))
    return mark


def advance(connection: Connection, name: str, holder: str, seq: int) -> bool:
    """Move a mark that one holds, and say whether it was still held."""
    statement = update(followers).where(followers.c.name == name, followers.c.holder == holder).values(seq=seq)
    return connection.execute(statement).rowcount == 1


def read_after(connection: Connection, seq: int, limit: int, *, most_said: int) -> Followed:
    """Return the logs of all organizations that were stored after a mark.

    They have an input and an output of so many characters at most, and nothing in place of one that is longer: together
    the logs of a page may hold gigabytes.
    """
    said = request_log_bodies.c.content
    bounded = case((func.length(said) <= _PACKED_FOR_A_CHARACTER * most_said, said)).label("content")
    statement = with_said(select(request_logs, bounded)) if most_said else select(request_logs)
    statement = statement.where(request_logs.c.seq > seq).order_by(request_logs.c.seq).limit(limit)
    found = Followed([], [])
    for row in connection.execute(statement):
        log = log_of(row, row.content if most_said else None)
        found.numbers.append(row.seq)
        found.logs.append(_up_to(most_said, log) if most_said else log)
    return found


def _up_to(most: int, log: RequestLog) -> RequestLog:
    """Return a log with what was said in it, as far as that is short, and without the raw exchange."""
    input_, output = (None if said is None or len(said) > most else said for said in (log.input, log.output))
    return replace(log, full_request=None, full_response=None, input=input_, output=output)


def given_between(first: int, last: int) -> int:
    """Return how many numbers were given after one, up to another: no fewer than there are logs."""
    return max((last & COUNTER) - (first & COUNTER), 0)
