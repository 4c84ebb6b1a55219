"""What frames tell of the response cache becomes its rows: once each, also when a clerk reads them again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from gantry.board.board import CLERK_SLOT, Board
from gantry.clerk.record import Recorder
from gantry.core.request_log import RequestLog
from gantry.journal.frames import CacheNote, CacheSwept, CallClosed, CallOpened, Frame
from gantry.store.cached_answers import CacheEntry, CacheQuery
from gantry.store.logs import LogStore, RecordBatch, StoreUnavailable
from tests.clerk.samples import ORGANIZATION, STARTED_AT, PlainMeter, append, closed, log_id_of, open_journal, opened

HOUR = 3_600_000_000_000
NAME = "a" * 64


class SavingMeter(PlainMeter):
    def call(self, opened: CallOpened, request: bytes, response: bytes, closed: CallClosed) -> RequestLog:
        log = super().call(opened, request, response, closed)
        hit = closed.cache is not None and closed.cache.hit
        return structs.replace(log, cache_savings=1_000 if hit else None)


class Site:
    """A journal, a store, and recorders that come and go."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.store = LogStore(home / "logs.db", busy_timeout=0.01)
        self.kept = {NAME, "b" * 64}
        self.writer = open_journal(home / "journal")

    def recorder(self, store: LogStore | None = None) -> Recorder:
        slot = Board(self.home / "board").slot(CLERK_SLOT)
        return Recorder(
            self.home / "journal",
            self.home / "rejected",
            store or self.store,
            SavingMeter(),
            slot,
            is_kept=lambda organization, name: organization == ORGANIZATION and name in self.kept,
        )

    def entries(self) -> list[CacheEntry]:
        return self.store.cache_entries(CacheQuery(organization_id=ORGANIZATION, now=STARTED_AT))[0]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.writer.close()
    site.store.close()


def call(number: int, *, hit: bool, name: str = NAME, unlogged: bool = False) -> list[Frame]:
    note = CacheNote(name, hit, STARTED_AT, STARTED_AT + HOUR, unlogged, log_id_of(1), latency=1_000_000_000)
    return [opened(number), structs.replace(closed(number), cache=note)]


def test_an_entry_comes_with_its_answer_and_counts_its_hits(site: Site) -> None:
    append(site.writer, [*call(1, hit=False), *call(2, hit=True), *call(3, hit=True)])
    assert site.recorder().run_once()
    (entry,) = site.entries()
    assert (entry.cache_key, entry.hits, entry.saved_cost, entry.saved_tokens) == (NAME, 2, 2_000, 14)
    assert entry.saved_time == 2 * (1_000_000_000 - 800_000)
    assert entry.log is not None
    assert entry.log.log_id == log_id_of(1)


def test_a_hit_that_is_not_to_be_logged_is_counted_and_has_no_row(site: Site) -> None:
    append(site.writer, [*call(1, hit=False), *call(2, hit=True, unlogged=True)])
    append(site.writer, [opened(3)])
    recorder = site.recorder()
    recorder.run_once()
    append(site.writer, call(3, hit=True, unlogged=True)[1:])  # opened in an earlier batch
    recorder.run_once()
    assert site.entries()[0].hits == 2
    assert site.store.find(ORGANIZATION, log_id_of(1)) is not None
    assert site.store.find(ORGANIZATION, log_id_of(2)) is site.store.find(ORGANIZATION, log_id_of(3)) is None
    assert site.store.open_calls() == [], "nothing of it stays open"


def test_what_was_deleted_before_the_clerk_came_has_no_row(site: Site) -> None:
    site.kept.remove(NAME)
    append(site.writer, [*call(1, hit=False), *call(2, hit=True), *call(3, hit=False, name="b" * 64)])
    site.recorder().run_once()
    assert [entry.cache_key for entry in site.entries()] == ["b" * 64]
    assert site.store.find(ORGANIZATION, log_id_of(2)) is not None


def test_what_was_swept_goes(site: Site) -> None:
    append(site.writer, [*call(1, hit=False), *call(2, hit=False, name="b" * 64)])
    site.recorder().run_once()
    site.kept.remove(NAME)
    append(site.writer, [CacheSwept([NAME])])
    site.recorder().run_once()
    assert [entry.cache_key for entry in site.entries()] == ["b" * 64]


@pytest.mark.parametrize("again", [True, False])
def test_what_was_swept_goes_also_in_the_batch_of_its_call_unless_it_is_kept_again(site: Site, *, again: bool) -> None:
    append(site.writer, [*call(1, hit=False), CacheSwept([NAME]), *(call(2, hit=False) if again else ())])
    if not again:
        site.kept.remove(NAME)
    site.recorder().run_once()
    assert [entry.log and entry.log.log_id for entry in site.entries()] == ([log_id_of(2)] if again else [])


def test_a_batch_that_is_read_again_counts_once(site: Site) -> None:
    class Refusing(LogStore):
        def record(self, batch: RecordBatch) -> set[str]:
            raise StoreUnavailable("away")

    append(site.writer, [*call(1, hit=False), *call(2, hit=True)])
    away = Refusing(site.home / "logs.db")
    recorder = site.recorder(away)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            recorder.run_once()
    away.close()
    for _ in range(2):  # a clerk that dies after its commit, and its successor
        site.recorder().run_once()
    assert site.entries()[0].hits == 1


def test_rows_that_the_store_refuses_do_not_take_the_counts_along(site: Site) -> None:
    class Picky(LogStore):
        """Refuses what has two rows or more, and so each batch at first."""

        def record(self, batch: RecordBatch) -> set[str]:
            if len(batch.logs) > 1:
                raise ValueError("no")
            return super().record(batch)

    append(site.writer, [*call(1, hit=False), *call(2, hit=True)])
    picky = Picky(site.home / "logs.db")
    site.recorder(picky).run_once()
    picky.close()
    assert site.entries()[0].hits == 1
    assert site.store.find(ORGANIZATION, log_id_of(2)) is not None
