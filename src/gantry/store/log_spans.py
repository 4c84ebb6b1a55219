"""In which spans of time a page is looked for in ClickHouse, which has logs by the time that they began, in days.

Law: what lies nearest in time comes first. So a page that a short span fills is the page; one that it does not fill is
looked for in a longer one. An hour is looked at in the time that any question takes, and where logs are many it fills
a page.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import structs

from gantry.store.log_filter import FIELDS
from gantry.store.log_query import LogQuery, by_arrival

_HOUR: Final = 3_600_000_000_000
_SPANS: Final = (_HOUR, 24 * _HOUR, 30 * 24 * _HOUR)
_BEGAN: Final = FIELDS["start_time"]


def by_start(query: LogQuery) -> LogQuery:
    """Return a search as one that goes by time, where no index has matches in order of arrival."""
    return structs.replace(query, sort_by=_BEGAN) if by_arrival(query) else query


def spans_of(query: LogQuery, now: int) -> Iterator[LogQuery]:
    """Yield a question for ever longer spans, and at last as it is."""
    cursor, since, until = query.cursor, query.since, query.until
    place = cursor.value if cursor is not None and isinstance(cursor.value, int) else None
    if query.sort_by is None or query.sort_by == _BEGAN:
        if query.descending is not (cursor is not None and cursor.before):
            newest = min((one for one in (place, until) if one is not None), default=now)
            for span in _SPANS:
                if since is not None and newest - span <= since:
                    break
                yield structs.replace(query, since=newest - span)
        elif place is not None:
            for span in _SPANS:
                if until is not None and place + span >= until:
                    break
                yield structs.replace(query, until=place + span)
    yield query
