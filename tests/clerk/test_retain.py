"""Old logs go, by age and by size; what was counted of them stays, and the books agree."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from gantry.clerk.retain import Retaining
from gantry.core.request_log import RequestLog
from gantry.core.retention import DAY, FOR_EVER, Retention
from gantry.core.vocabulary import Environment, LogMethod, Outcome
from gantry.store.audit import audit_books
from gantry.store.control import ControlStore, default_organization
from gantry.store.log_changes import LogChange
from gantry.store.log_deletion import ROW_BYTES, stored_bytes
from gantry.store.log_filter import EVERYTHING, Condition, Filter, Operator, field_named
from gantry.store.log_query import LogQuery
from gantry.store.logs import LogStore, RecordBatch
from gantry.store.retention import put_retention
from tests.clickhouse.homes import are_logs_apart
from tests.postgresql import needs_sqlite

NOW = 20_000 * DAY + DAY // 2


@pytest.fixture
def control(tmp_path: Path) -> Iterator[ControlStore]:
    with ControlStore(tmp_path / "control.db") as store:
        yield store


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[LogStore]:
    store = LogStore(tmp_path / "logs.db")
    yield store
    store.close()


class Kept:
    """An organization with a log for each of the last 10 days, and one of the test environment."""

    def __init__(self, control: ControlStore, logs: LogStore) -> None:
        with control.reading() as connection:
            self.organization_id = default_organization(connection)
        self.control, self.logs = control, logs
        some = [self.a_log(f"{day}", NOW - day * DAY) for day in range(10)]
        logs.record(RecordBatch(logs=[*some, self.a_log("test", NOW - 3 * DAY, Environment.TEST)]))

    def a_log(self, log_id: str, started_at: int, environment: Environment = Environment.PROD) -> RequestLog:
        return RequestLog(
            log_id=log_id,
            organization_id=self.organization_id,
            key_id="k",
            environment=environment,
            log_method=LogMethod.INFERENCE,
            outcome=Outcome.SUCCESS,
            status_code=200,
            started_at=started_at,
            ended_at=started_at,
            cost=100,
            customer_identifier="ada",
            input="hello " + "x" * 4000,
            output="world",
        )

    def ids(self, said: str | None = None) -> set[str]:
        words: Filter = Condition(field_named("search"), Operator.WORDS, (said,)) if said else EVERYTHING
        query = LogQuery(organization_id=self.organization_id, filters=words)
        return {log.log_id for log in self.logs.page(query).logs}

    def say(self, retention: Retention) -> None:
        with self.control.changing() as change:
            put_retention(change, self.organization_id, retention)

    def imbalances(self) -> list[str]:
        with self.logs.reading() as connection:
            return [one.sentence for one in audit_books(connection, NOW)]


@pytest.fixture
def kept(control: ControlStore, logs: LogStore) -> Kept:
    return Kept(control, logs)


def retain(folder: Path, usual: Retention = FOR_EVER, slice_of: int = 2) -> int:
    """Let the clerk do all that is due, and return in how many slices."""
    retaining = Retaining(
        folder / "logs.db", folder / "control.db", usual, clock=lambda: NOW, rest=lambda _: None, slice_of=slice_of
    )
    slices = 0
    while retaining.step():
        slices += 1
    assert not retaining.step(), "nothing more within the hour"
    return slices


def test_without_a_word_everything_is_kept(kept: Kept, tmp_path: Path) -> None:
    assert retain(tmp_path) == 0
    assert len(kept.ids()) == 11


def test_by_age_in_slices_but_what_is_pinned_and_the_sums(kept: Kept, tmp_path: Path) -> None:
    kept.logs.change(kept.organization_id, None, [LogChange("8", {"is_pinned": True})])
    kept.say(Retention(days=5, test_days=2))
    before = kept.logs.summary(LogQuery(organization_id=kept.organization_id))
    slices = retain(tmp_path)
    assert are_logs_apart() or slices == 3, "four of prod, two at a time, and one of test"
    assert kept.ids() == {"0", "1", "2", "3", "4", "5", "8"}
    assert kept.ids("hello") == kept.ids()
    assert kept.logs.summary(LogQuery(organization_id=kept.organization_id)) == before
    assert kept.imbalances() == []


def test_what_was_said_goes_before_the_log(kept: Kept, tmp_path: Path) -> None:
    kept.say(Retention(body_days=2))
    retain(tmp_path)
    assert len(kept.ids()) == 11
    assert kept.ids("hello") == {"0", "1", "2"}
    assert kept.logs.find(kept.organization_id, "3").input is None  # type: ignore[union-attr]


def test_by_size_the_oldest_go_first(kept: Kept, tmp_path: Path) -> None:
    with kept.logs.reading() as connection:
        size = stored_bytes(connection, kept.organization_id)
    each = size // 11
    assert each > ROW_BYTES
    retain(tmp_path, Retention(max_bytes=each * 3 + 10))
    assert kept.ids() == {"0", "1", "2"}
    assert kept.imbalances() == []


def test_an_organizations_own_word_holds_over_the_settings(kept: Kept, tmp_path: Path) -> None:
    kept.say(FOR_EVER)
    assert retain(tmp_path, Retention(days=1)) == 0
    assert len(kept.ids()) == 11


@needs_sqlite
def test_a_deleted_logs_pages_are_used_again(kept: Kept, tmp_path: Path) -> None:
    """The file does not grow where as much goes as comes."""
    more = [kept.a_log(f"more {number}", NOW - 20 * DAY) for number in range(400)]
    kept.logs.record(RecordBatch(logs=more))
    kept.say(Retention(days=15))
    retain(tmp_path)
    size = (tmp_path / "logs.db").stat().st_size
    kept.logs.record(RecordBatch(logs=[kept.a_log(f"new {number}", NOW) for number in range(300)]))
    assert (tmp_path / "logs.db").stat().st_size <= size


@needs_sqlite
@pytest.mark.skipif(are_logs_apart(), reason="their words are with them")
def test_the_index_of_words_holds_no_more_than_what_is_left(kept: Kept, tmp_path: Path) -> None:
    """Retention goes on for years: what was taken out of the index must not gather there."""
    chance = Random(7)
    sizes = []
    for turn in range(12):
        said = [" ".join(f"word{chance.randrange(3000)}" for _ in range(60)) for _ in range(400)]
        some = [
            replace(kept.a_log(f"{turn}-{number}", NOW - (12 - turn) * DAY), input=words)
            for number, words in enumerate(said)
        ]
        for start in range(0, 400, 20):
            kept.logs.record(RecordBatch(logs=some[start : start + 20]))
        if turn >= 3:
            retain(tmp_path, Retention(days=14 - turn), slice_of=50)
        with kept.logs.reading() as connection:
            sizes.append(connection.scalar(text("SELECT sum(length(block)) FROM request_log_texts_data")))
            count = connection.scalar(text("SELECT count(*) FROM request_logs"))
        assert turn < 3 or count < 1300, "three turns are kept"
    assert max(sizes[4:]) < 3 * max(sizes[:3])
