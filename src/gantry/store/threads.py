"""Threads: what the logs of each come to, told by the newest of them."""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import Connection

from gantry.core.request_log import RequestLog
from gantry.store.group_sums import GroupSums, Viewer, first_of_each, sum_groups
from gantry.store.log_tables import request_logs
from gantry.store.newest_groups import THREAD


class Thread(Struct, frozen=True):
    sums: GroupSums
    newest: RequestLog


def read_threads(connection: Connection, viewer: Viewer, names: Sequence[str]) -> list[Thread]:
    """Return some threads in the order of their names; what is not there is left out."""
    if not names:
        return []
    order = (request_logs.c.started_at.desc(), request_logs.c.seq.desc())
    sums = sum_groups(connection, viewer, THREAD, names)
    newest = first_of_each(connection, viewer, THREAD, names, order)
    return [Thread(sums[one], newest[one]) for one in names if one in sums and one in newest]
