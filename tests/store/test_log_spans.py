"""In which spans of time a page is looked for: nearest first, within what was asked for, at last all of it."""

import pytest
from msgspec import structs

from gantry.store.log_filter import FIELDS
from gantry.store.log_query import Cursor, LogQuery
from gantry.store.log_spans import by_start, spans_of

HOUR = 3_600_000_000_000
DAY = 24 * HOUR
NOW = 60 * DAY
ALL = LogQuery(organization_id="o")
EARLIER = Cursor(50 * DAY, 7)
LATER = Cursor(50 * DAY, 7, before=True)


@pytest.mark.parametrize(
    ("query", "since", "until"),
    [
        (ALL, [NOW - HOUR, NOW - DAY, NOW - 30 * DAY, None], [None] * 4),
        (structs.replace(ALL, until=DAY), [DAY - HOUR, 0, -29 * DAY, None], [DAY] * 4),
        (structs.replace(ALL, since=NOW - 2 * HOUR), [NOW - HOUR, NOW - 2 * HOUR], [None] * 2),
        (structs.replace(ALL, since=NOW - HOUR), [NOW - HOUR], [None]),
        (structs.replace(ALL, cursor=EARLIER), [50 * DAY - HOUR, 49 * DAY, 20 * DAY, None], [None] * 4),
        (structs.replace(ALL, cursor=LATER), [None] * 4, [50 * DAY + HOUR, 51 * DAY, 80 * DAY, None]),
        (
            structs.replace(ALL, cursor=LATER, until=50 * DAY + 2 * HOUR),
            [None] * 2,
            [50 * DAY + HOUR, 50 * DAY + 2 * HOUR],
        ),
        (structs.replace(ALL, descending=False), [None], [None]),
        (
            structs.replace(ALL, descending=False, cursor=EARLIER),
            [None] * 4,
            [50 * DAY + HOUR, 51 * DAY, 80 * DAY, None],
        ),
        (structs.replace(ALL, sort_by=FIELDS["cost"]), [None], [None]),
        (structs.replace(ALL, sort_by=FIELDS["cost"], cursor=Cursor(5, 7)), [None], [None]),
    ],
)
def test_spans_grow_from_where_the_page_begins(
    query: LogQuery, since: list[int | None], until: list[int | None]
) -> None:
    spans = [*spans_of(query, NOW)]
    assert [one.since for one in spans] == since
    assert [one.until for one in spans] == until
    assert spans[-1] == query


def test_what_is_no_search_goes_by_time_already() -> None:
    assert by_start(ALL) is ALL
