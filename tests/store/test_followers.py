"""store/followers: one at a time holds a mark, and reads on from it in order of arrival."""

from gantry.store.followers import advance, claim, given_between, read_after
from gantry.store.log_days import first_number
from gantry.store.log_tail import newest_number
from gantry.store.logs import LogStore, RecordBatch
from tests.store.conftest import address_of_logs as address
from tests.store.logs_of_tests import OTHER, make_log

__all__ = ["address"]


def test_a_follower_begins_at_the_end_and_goes_on_where_it_was(logs: LogStore) -> None:
    logs.record(RecordBatch(logs=[make_log("before")]))
    logs.begin_following("f")
    logs.record(RecordBatch(logs=[make_log("b", input="said"), make_log("a", organization_id=OTHER), make_log("c")]))
    logs.begin_following("f")
    with logs.writing() as connection:
        mark = claim(connection, "f", "me", 10, 20)
    assert mark is not None
    with logs.reading() as connection:
        assert given_between(mark, newest_number(connection)) == 3
        found = read_after(connection, mark, 2, most_said=9)
        assert [log.log_id for log in found.logs] == ["b", "a"]
        assert found.logs[0].input == "said"
        assert read_after(connection, mark, 1, most_said=0).logs[0].input is None
    with logs.writing() as connection:
        assert advance(connection, "f", "me", found.numbers[-1])
    with logs.writing() as connection:
        again = claim(connection, "f", "me", 11, 21)
    assert again == found.numbers[-1]
    with logs.reading() as connection:
        assert [log.log_id for log in read_after(connection, again, 9, most_said=0).logs] == ["c"]


def test_a_day_that_begins_gives_no_numbers() -> None:
    assert given_between(first_number(20_000) + 7, first_number(20_001) + 9) == 2
    assert given_between(9, 7) == 0


def test_one_at_a_time_holds_a_mark(logs: LogStore) -> None:
    logs.begin_following("f")
    with logs.writing() as connection:
        assert claim(connection, "f", "one", 10, 20) == 0
        assert claim(connection, "f", "two", 15, 25) is None
        assert claim(connection, "f", "two", 21, 31) == 0
        assert not advance(connection, "f", "one", 7)
        assert claim(connection, "no such", "one", 0, 1) is None


def test_what_was_said_at_length_is_not_read(logs: LogStore) -> None:
    logs.record(
        RecordBatch(
            logs=[
                make_log("a", input="x" * 10_000, output="short", full_request=b"raw"),
                make_log("b", input="short", output="x" * 10_001),
                make_log("c", input="short", output="x" * 10_000, full_response=bytes(range(256)) * 1000),
            ]
        )
    )
    with logs.reading() as connection:
        found = read_after(connection, 0, 9, most_said=10_000)
    said = [(log.input, log.output, log.full_request, log.full_response) for log in found.logs]
    assert said == [
        ("x" * 10_000, "short", None, None),
        ("short", None, None, None),
        ("short", "x" * 10_000, None, None),
    ]
