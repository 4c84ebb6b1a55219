"""What failed lately at the door, by address and by e-mail: who fails often waits, each time twice as long.

Law: an attempt counts from its beginning, so that many at once are not one. Who comes in takes their attempt back.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, select

from gantry.store.control_tables import failed_sign_ins

_SECOND: Final = 1_000_000_000
WINDOW: Final = 15 * 60 * _SECOND
_DOUBLINGS: Final = 20


class Subject(Struct, frozen=True):
    """Who or what is held back: how many failures are free, and the longest wait in seconds."""

    name: str
    free: int
    longest: int


def wait_of(connection: Connection, subjects: Iterable[Subject], now: int) -> int:
    """Return the ns that must pass until the next attempt; 0 where it may be made."""
    return max((_wait(connection, subject, now) for subject in subjects), default=0)


def begin_attempt(connection: Connection, subjects: Sequence[Subject], now: int) -> list[int]:
    """Count an attempt as failed, until it is taken back by what is returned."""
    connection.execute(delete(failed_sign_ins).where(failed_sign_ins.c.failed_at <= now - WINDOW))
    rows = [{"subject": subject.name, "failed_at": now} for subject in subjects]
    return [
        connection.execute(insert(failed_sign_ins).values(row).returning(failed_sign_ins.c.seq)).scalar_one()
        for row in rows
    ]


def failures_of(connection: Connection, name: str, now: int) -> int:
    """Return how many attempts failed lately."""
    return _failures(connection, name, now)[0]


def take_back(connection: Connection, attempt: Sequence[int], email: str) -> None:
    """Forget an attempt that succeeded, and what failed before it in the same name."""
    connection.execute(
        delete(failed_sign_ins).where(failed_sign_ins.c.seq.in_(attempt) | (failed_sign_ins.c.subject == email))
    )


def _wait(connection: Connection, subject: Subject, now: int) -> int:
    failures, last = _failures(connection, subject.name, now)
    if failures < subject.free:
        return 0
    seconds: int = min(2 ** min(failures - subject.free, _DOUBLINGS), subject.longest)
    return max(0, last + seconds * _SECOND - now)


def _failures(connection: Connection, name: str, now: int) -> tuple[int, int]:
    """Return how many attempts failed lately, and when the last one did."""
    query = select(func.count(), func.max(failed_sign_ins.c.failed_at)).where(
        failed_sign_ins.c.subject == name, failed_sign_ins.c.failed_at > now - WINDOW
    )
    failures, last = connection.execute(query).one()
    return failures, last or 0
