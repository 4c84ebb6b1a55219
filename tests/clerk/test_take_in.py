"""Foreign logs taken in: each once, whatever stops an import and however often it runs; a bad row stops none."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gantry.board.board import CLERK_SLOT, Board, Word
from gantry.clerk.charge import POSTED
from gantry.clerk.take_in import Intake, Owner, Progress, StoringStuck, storing, wait_for_room
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import ContentPolicy, Environment, LogMethod
from gantry.home import Home, load_keyring
from gantry.imports.log_source import LogSource
from gantry.imports.rows import BadRow, Row
from gantry.imports.sources import LOG_SOURCES
from gantry.journal.reader import list_incarnations
from gantry.journal.writer import JournalLevel, JournalWriter
from gantry.settings import ServeSettings
from gantry.store.control import ControlStore, default_organization
from gantry.store.logs import LogQuery, LogStore

pytestmark = pytest.mark.slow

HELICONE = LOG_SOURCES["helicone"]


def row(number: int, **changes: Any) -> Row:
    members = {
        "request_id": f"r-{number}",
        "request_created_at": "2026-10-01T10:00:00Z",
        "response_created_at": "2026-10-01T10:00:01Z",
        "response_status": 200,
        "model": "gpt-4o",
        "provider": "OPENAI",
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "cost": 0.25,
        **changes,
    }
    return Row(number, members)


class House:
    """A home, and imports into it."""

    def __init__(self, path: Path) -> None:
        self.home = Home(path)
        self.home.prepare()
        self.keyring = load_keyring(self.home, create=True)
        with ControlStore(self.home.control_db) as control, control.reading() as connection:
            self.organization_id = default_organization(connection)
        self.bad: list[BadRow] = []

    def take(
        self, rows: Iterator[Row | BadRow], source: LogSource = HELICONE, *, trial: bool = False, budget: int = 4 << 30
    ) -> Progress:
        with ExitStack() as stack:
            store = stack.enter_context(closing(LogStore(self.home.logs_db)))
            make_room = stack.enter_context(storing(self.home, self.keyring, ServeSettings(), Board(self.home.board)))
            journal = None
            if not trial:
                journal = JournalWriter(self.home.journal, budget=budget)
                stack.callback(journal.close)
            intake = Intake(
                source,
                journal,
                store,
                organization_id=self.organization_id,
                owners={"ci": Owner("key-of-ci"), "quiet": Owner("key-of-quiet", ContentPolicy.METADATA)},
                other=Owner("other-key"),
                environment=Environment.PROD,
                providers={"openai": "openai"},
                make_room=make_room,
                on_bad=self.bad.append,
            )
            for _ in intake.take(rows):
                pass
            return intake.progress

    def logs(self) -> list[RequestLog]:
        found: list[RequestLog] = []
        with closing(LogStore(self.home.logs_db)) as store:
            for number in count(1):
                query = LogQuery(organization_id=self.organization_id, page=number, page_size=1000)
                page = store.page(query).logs
                if not page:
                    break
                found += page
        return found


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "home")


def counts(progress: Progress) -> tuple[int, int, int, int]:
    return progress.read, progress.new, progress.known, progress.bad


def test_rows_are_stored_once_with_what_they_say(house: House) -> None:
    assert counts(house.take(iter([row(1), row(2), row(1)]))) == (3, 2, 0, 0), "an id that comes again is the same log"
    logs = house.logs()
    assert len(logs) == 2
    log = logs[0]
    assert (log.cost, log.price_source, log.price_missing) == (250_000_000, POSTED, False)
    assert (log.key_id, log.log_method, log.provider_id) == ("other-key", LogMethod.LOGGING_API, "openai")
    assert log.ended_at - log.started_at == 1_000_000_000
    assert list_incarnations(house.home.journal) == []

    assert counts(house.take(iter([row(1), row(2), row(3)]))) == (3, 1, 2, 0)
    assert len(house.logs()) == 3


def test_a_row_that_cannot_be_read_is_told_and_stops_no_other(house: House) -> None:
    rows: list[Row | BadRow] = [
        row(1),
        BadRow(2, "it is no JSON"),
        Row(3, {"model": "x"}),
        row(4, cost=-1),
        row(5, request_created_at="yesterday"),
        row(6),
    ]
    assert counts(house.take(iter(rows))) == (6, 2, 0, 4)
    assert [one.number for one in house.bad] == [2, 3, 4, 5]
    assert "request_id" in house.bad[1].reason
    assert "`cost`" in house.bad[2].reason
    assert len(house.logs()) == 2


def test_logs_are_their_keys_and_keep_what_those_let_be_kept(house: House) -> None:
    def spent(request_id: str, key: str) -> Row:
        metadata = {"user_api_key_alias": key}
        members = {"request_id": request_id, "model": "m", "messages": [{"content": "a secret"}], "metadata": metadata}
        return Row(1, members)

    rows = [spent("1", "ci"), spent("2", "quiet"), spent("3", "nobody")]
    assert counts(house.take(iter(rows), LOG_SOURCES["litellm"])) == (3, 3, 0, 0)
    assert {log.key_id: log.input is not None for log in house.logs()} == {
        "key-of-ci": True,
        "key-of-quiet": False,
        "other-key": True,
    }


def test_an_import_that_was_cut_off_goes_on_where_it_was(house: House) -> None:
    def broken() -> Iterator[Row]:
        for number in range(1200):
            yield row(number)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk"):
        house.take(broken())
    assert len(house.logs()) == 1000, "what was written in whole batches is stored"
    assert counts(house.take(iter(row(number) for number in range(1500)))) == (1500, 500, 1000, 0)
    assert len({log.log_id for log in house.logs()}) == 1500


def test_a_trial_stores_nothing(house: House) -> None:
    assert counts(house.take(iter([row(1), row(2, cost=-1)]), trial=True)) == (2, 1, 0, 1)
    assert house.logs() == []


def test_rows_are_taken_a_few_hundred_at_a_time(house: House) -> None:
    taken = 0

    def rows() -> Iterator[Row]:
        nonlocal taken
        for number in range(1600):
            taken += 1
            yield row(number)

    seen: list[tuple[int, int]] = []
    with ExitStack() as stack:
        store = stack.enter_context(closing(LogStore(house.home.logs_db)))
        intake = Intake(
            HELICONE,
            None,
            store,
            organization_id=house.organization_id,
            owners={},
            other=Owner("k"),
            environment=Environment.PROD,
            providers={},
            make_room=lambda journal: None,
            on_bad=house.bad.append,
        )
        seen = [(progress.read, taken) for progress in intake.take(rows())]
    assert seen == [(500, 500), (1000, 1000), (1500, 1500), (1600, 1600)]


def test_a_small_journal_is_stored_in_between_and_loses_no_words(house: House) -> None:
    body = {"messages": [{"role": "user", "content": "word " * 2000}]}
    rows = (row(number, request_body=body) for number in range(600))
    assert counts(house.take(rows, budget=4 << 20))[1] == 600
    with closing(LogStore(house.home.logs_db)) as store:
        found = [store.find(house.organization_id, log.log_id) for log in house.logs()]
    assert len(found) == 600
    assert all(log is not None and "word word" in (log.input or "") for log in found)


def test_this_process_is_the_clerk_meanwhile_and_not_afterwards(house: House) -> None:
    board = Board(house.home.board)
    with storing(house.home, house.keyring, ServeSettings(), board):
        assert board.slot(CLERK_SLOT)[Word.PID]
        with pytest.raises(Exception, match="in use by another gantry clerk"):
            house.home.lock("clerk")
    assert not board.slot(CLERK_SLOT)[Word.PID]
    house.home.lock("clerk").release()


def test_where_a_clerk_runs_it_is_the_one_that_stores(house: House) -> None:
    lock = house.home.lock("clerk")
    assert counts(house.take(iter([row(1)]))) == (1, 1, 0, 0)
    assert house.logs() == []
    assert len(list_incarnations(house.home.journal)) == 1
    lock.release()
    assert counts(house.take(iter([row(1), row(2)]))) == (2, 1, 1, 0), "what lay there is stored, and known, first"
    assert len(house.logs()) == 2


class FullJournal:
    """A journal that is nearly full, as far as waiting sees it: `frees` says what is stored during a pause."""

    def __init__(self, frees: Callable[[int], int]) -> None:
        self.used = 100
        self._frees = frees
        self.pauses = 0

    @property
    def level(self) -> JournalLevel:
        return JournalLevel.NO_BODIES if self.used > 10 else JournalLevel.NORMAL

    def refresh_level(self) -> None:
        self.used -= self._frees(self.pauses)

    def pause(self, seconds: float) -> None:
        self.pauses += 1
        assert self.pauses < 100_000


def test_room_is_waited_for_as_long_as_something_is_stored() -> None:
    journal = FullJournal(lambda pauses: pauses % 3 == 0)
    wait_for_room(journal, pause=journal.pause)  # type: ignore[arg-type]
    assert journal.level is JournalLevel.NORMAL


def test_where_nothing_is_stored_waiting_ends_and_says_what_to_do() -> None:
    journal = FullJournal(lambda pauses: 0)
    with pytest.raises(StoringStuck, match="gantry status"):
        wait_for_room(journal, pause=journal.pause)  # type: ignore[arg-type]
