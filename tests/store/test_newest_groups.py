"""store/newest_groups, traces, threads: every group once, on the page of its newest log, told by what it comes to."""

import random
from collections.abc import Iterable

import pytest
from msgspec import structs

from gantry.core.request_log import RequestLog
from gantry.core.usage import Usage
from gantry.core.vocabulary import Environment, Outcome
from gantry.store import newest_groups, traces
from gantry.store.group_sums import GroupSums, Viewer
from gantry.store.log_filter import FIELDS, Condition, Operator
from gantry.store.log_query import LogQuery
from gantry.store.logs import LogStore, RecordBatch
from gantry.store.newest_groups import THREAD, TRACE, NewestGroups, Place, read_newest
from gantry.store.threads import read_threads
from gantry.store.traces import TraceCount, count_traces, delete_spans, read_spans, read_traces
from tests.store.conftest import address_of_logs as address
from tests.store.logs_of_tests import HOUR, ORGANIZATION, OTHER, make_log

__all__ = ["address"]

VIEWER = Viewer(ORGANIZATION, Environment.PROD)
SECOND = 1_000_000_000
START = 1000 * HOUR


def query(**changes: object) -> LogQuery:
    asked = {"organization_id": ORGANIZATION, "environment": Environment.PROD, "page_size": 3, **changes}
    return LogQuery(**asked)  # type: ignore[arg-type]


def newest(logs: LogStore, asked: LogQuery, after: Place | None = None) -> NewestGroups:
    with logs.reading() as connection:
        return read_newest(connection, TRACE, asked, after)


def span(number: int, at: int, trace: str | None, **fields: object) -> RequestLog:
    return make_log(f"{number:032x}", started_at=START + at, ended_at=START + at + 1, trace_unique_id=trace, **fields)


def some_spans() -> list[RequestLog]:
    """Return spans of 12 traces, many of one moment, and logs of none."""
    draw = random.Random(3)
    return [
        span(
            number,
            draw.randrange(15),
            draw.choice([None, *(f"trace {name}" for name in range(12))]),
            model=draw.choice(["a", "b"]),
            organization_id=OTHER if number % 9 == 0 else ORGANIZATION,
            environment=Environment.TEST if number % 7 == 0 else Environment.PROD,
        )
        for number in range(80)
    ]


def in_order(spans: Iterable[RequestLog]) -> list[str]:
    """Return the traces of some spans, the one with the newest span first."""
    latest: dict[str, int] = {}
    for one in spans:
        if one.trace_unique_id is not None:
            latest[one.trace_unique_id] = max(latest.get(one.trace_unique_id, 0), one.started_at)
    return sorted(latest, key=lambda name: (latest[name], name), reverse=True)


@pytest.mark.parametrize("step", [1, 4, 2000])
def test_each_page_goes_on_where_the_one_before_ended(
    logs: LogStore, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr(newest_groups, "_STEP", step)
    spans = some_spans()
    logs.record(RecordBatch(logs=spans))
    only_a = Condition(FIELDS["model"], Operator.EQUAL, ("a",))
    for asked, wanted in (
        (query(), [one for one in spans if one.environment == "prod"]),
        (query(filters=only_a, environment=None), [one for one in spans if one.model == "a"]),
        (
            query(since=START + 3, until=START + 9),
            [one for one in spans if one.environment == "prod" and START + 3 <= one.started_at < START + 9],
        ),
    ):
        expected = in_order(one for one in wanted if one.organization_id == ORGANIZATION)
        found: list[str] = []
        place = None
        while True:
            page = newest(logs, asked, place)
            found += page.names
            if place is None:
                assert (page.count, page.exact) == (len(expected), True)
            place = page.next
            if place is None:
                break
        assert found == expected
        second = newest(logs, structs.replace(asked, page=2))
        assert second.names == expected[3:6]


def test_a_count_is_as_far_as_it_may_walk(logs: LogStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newest_groups, "_STEP", 4)
    monkeypatch.setattr(newest_groups, "COUNT_BOUND", 8)
    monkeypatch.setattr(traces, "COUNT_BOUND", 5)
    logs.record(RecordBatch(logs=[span(number, number, f"t{number}") for number in range(20)]))
    page = newest(logs, query())
    assert (page.count, page.exact, page.names) == (8, False, ["t19", "t18", "t17"])
    with logs.reading() as connection:
        assert count_traces(connection, query()) == TraceCount(6, exact=False)
        assert count_traces(connection, query(since=START + 17)) == TraceCount(3, exact=True)


def test_a_trace_is_what_its_spans_come_to_and_is_told_by_its_root(logs: LogStore) -> None:
    spans = [
        span(1, 5, "t", span_unique_id="c", span_parent_id="r", cost=7, usage=Usage(input_tokens=2, output_tokens=1)),
        span(2, 1, "t", span_unique_id="early", span_parent_id="elsewhere", log_type="tool"),
        span(3, 2, "t", span_unique_id="r", span_name="root", log_type="agent", input="question"),
        span(4, 9, "t", outcome=Outcome.LOGGED, status_code=500, cost=2**62),
        span(5, 3, "t", environment=Environment.TEST),
        span(6, 3, "t", organization_id=OTHER),
        span(7, 4, "u", span_parent_id="gone", span_name="orphan"),
    ]
    logs.record(RecordBatch(logs=spans))
    with logs.reading() as connection:
        first, second = read_traces(connection, VIEWER, ["u", "missing", "t"])
        shown = read_spans(connection, VIEWER, "t", 3)
        assert read_traces(connection, Viewer(ORGANIZATION, key_id="another"), ["t"]) == []
    assert (first.root.span_name, first.sums.logs) == ("orphan", 1)
    assert (second.root.span_name, second.root.input) == ("root", "question")
    assert second.sums == GroupSums("t", 4, 2, 1, START + 1, START + 10, 2**62, 2, 1, 3)
    assert [one.span_unique_id for one in shown] == ["early", "r", "c"]


def test_a_trace_is_deleted_in_steps_and_nothing_beside_it(logs: LogStore) -> None:
    spans = [span(number, number, "t" if number < 4 else "u", input="words") for number in range(6)]
    logs.record(RecordBatch(logs=spans))
    deleted = []
    for _ in range(3):
        with logs.writing() as connection:
            deleted.append(delete_spans(connection, VIEWER, "t", 3))
    assert deleted == [3, 1, 0]
    assert newest(logs, query()).names == ["u"]


def test_a_thread_is_told_by_its_newest_log(logs: LogStore) -> None:
    said = [
        make_log("a", thread_identifier="talk", started_at=START, input="hello", cost=5),
        make_log("b", thread_identifier="talk", started_at=START + SECOND, input="bye", customer_identifier="c"),
        make_log("c", thread_identifier="other", started_at=START + 2 * SECOND),
    ]
    logs.record(RecordBatch(logs=said))
    with logs.reading() as connection:
        found = read_newest(connection, THREAD, query())
        other, talk = read_threads(connection, VIEWER, found.names)
        assert read_threads(connection, VIEWER, []) == []
    assert (other.sums.name, talk.sums.name) == ("other", "talk")
    assert (talk.newest.input, talk.newest.customer_identifier) == ("bye", "c")
    assert (talk.sums.logs, talk.sums.cost, talk.sums.started_at) == (2, 5, START)
