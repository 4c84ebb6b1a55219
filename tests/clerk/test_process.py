"""The clerk as the supervisor runs it: `python -m gantry.clerk`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gantry.board.board import CLERK_SLOT, Board, State, Word
from gantry.home import Home, load_keyring
from gantry.journal.reader import list_incarnations
from gantry.prices.folder import PriceFolder
from gantry.prices.overrides import RateLine
from gantry.routing.snapshot import read_snapshot
from gantry.store.log_tables import hour_sums, request_logs
from gantry.store.logs import LogStore
from tests.clerk.samples import ORGANIZATION, RESPONSE, append, closed, log_id_of, open_journal, opened
from tests.postgresql import held_up, settings_of

pytestmark = pytest.mark.slow
SECONDS_TO_WAIT = 30


class Clerk:
    """One clerk process and the lifeline it hangs on."""

    def __init__(self, home: Home) -> None:
        self._read, self._held = os.pipe()
        command = [sys.executable, "-m", "gantry.clerk", "--home", str(home.path), "--lifeline", str(self._read)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GANTRY_")}
        environment |= settings_of(home.path)
        self.process = subprocess.Popen(
            command, env=environment, pass_fds=[self._read], stderr=subprocess.PIPE, text=True
        )
        os.close(self._read)

    def cut_lifeline(self) -> None:
        os.close(self._held)
        self._held = -1

    def end(self) -> tuple[int, str]:
        """Wait for the process to end and return its status and what it said."""
        _, said = self.process.communicate(timeout=SECONDS_TO_WAIT)
        return self.process.returncode, said

    def clear(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        if self._held >= 0:
            os.close(self._held)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    load_keyring(home, create=True)
    return home


@pytest.fixture
def start(home: Home) -> Iterator[Callable[[], Clerk]]:
    clerks: list[Clerk] = []

    def build() -> Clerk:
        clerks.append(Clerk(home))
        return clerks[-1]

    yield build
    for clerk in clerks:
        clerk.clear()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_TO_WAIT
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def test_sigterm_stores_what_the_journal_holds(home: Home, start: Callable[[], Clerk]) -> None:
    clerk = start()
    slot = Board(home.board).slot(CLERK_SLOT)
    wait_until(lambda: slot[Word.STATE] == State.READY)
    assert slot[Word.PID] == clerk.process.pid

    writer = open_journal(home.journal)
    append(writer, [frame for number in range(5000) for frame in (opened(number), closed(number))])
    append(writer, [opened(9999)])
    writer.close()
    clerk.process.send_signal(signal.SIGTERM)

    assert clerk.end()[0] == 0
    store = LogStore(home.logs_db)
    for number in (0, 4999):
        log = store.find(ORGANIZATION, log_id_of(number))
        assert log is not None
        assert (log.outcome, log.full_response, log.usage.input_tokens) == ("success", RESPONSE, 5)
    crashed = store.find(ORGANIZATION, log_id_of(9999))
    assert crashed is not None
    assert crashed.outcome == "gateway_crashed"
    store.close()
    assert slot[Word.RECORDS] == 5001
    assert slot[Word.PID] == 0
    assert list_incarnations(home.journal) == []
    home.lock("clerk").release()


def test_the_first_snapshot_is_published_while_the_log_store_is_locked(home: Home, start: Callable[[], Clerk]) -> None:
    LogStore(home.logs_db).close()
    writer = open_journal(home.journal)
    append(writer, [opened(1), closed(1)])
    with held_up(home.logs_db, "journal_checkpoints"):
        start()
        slot = Board(home.board).slot(CLERK_SLOT)
        wait_until(home.snapshot.exists)
        snapshot = read_snapshot(home.snapshot.read_bytes(), load_keyring(home).snapshot)
        assert snapshot.version >= 1
        wait_until(lambda: slot[Word.STORE_FAULTS] > 0)
        assert slot[Word.RECORDS] == 0
    wait_until(lambda: slot[Word.RECORDS] == 1)
    writer.close()


def test_declared_models_are_applied_at_the_start_and_on_sighup(home: Home, start: Callable[[], Clerk]) -> None:
    def published() -> list[str]:
        snapshot = read_snapshot(home.snapshot.read_bytes(), load_keyring(home).snapshot)
        return [model.name for model in snapshot.body.custom_models]

    table = '[[models]]\nname = "{}"\nbase = "mistral/mistral-small-latest"\n'
    home.config.write_text(table.format("fast"))
    clerk = start()
    wait_until(home.snapshot.exists)
    assert published() == ["fast"]  # in the first one already
    for toml, names in (
        (table.format("faster") + table.format("fastest"), ["faster", "fastest"]),
        ("", []),
        (table.format("m").replace("mistral/mistral-small-latest", "nowhere") + table.format("found"), ["found"]),
    ):
        home.config.write_text(toml)
        clerk.process.send_signal(signal.SIGHUP)
        wait_until(lambda names=names: published() == names)  # type: ignore[misc]
    home.config.write_text('[[models]]\nname = "m"\nbse = "x"\n')
    clerk.process.send_signal(signal.SIGHUP)
    said = ""
    assert clerk.process.stderr is not None
    while "is not applied" not in said:
        said += clerk.process.stderr.readline()
    assert f"{home.config}: no setting 'models[0].bse'; did you mean 'base'?" in said
    assert "gantry.toml: models[0].base: Base model not found: nowhere." in said
    assert published() == ["found"]


def test_prices_that_are_set_hold_from_the_next_record_on(home: Home, start: Callable[[], Clerk]) -> None:
    def priced(number: int) -> tuple[int | None, str | None]:
        append(writer, [opened(number), closed(number)])
        log = None
        deadline = time.monotonic() + SECONDS_TO_WAIT
        while log is None:
            assert time.monotonic() < deadline
            log = store.find(ORGANIZATION, log_id_of(number))
        return log.cost, log.price_source

    clerk, folder = start(), PriceFolder(home.prices)
    wait_until(lambda: Board(home.board).slot(CLERK_SLOT)[Word.STATE] == State.READY)
    writer, store = open_journal(home.journal), LogStore(home.logs_db)
    before = priced(1)
    assert before[1] == "genai-prices"
    line = RateLine("mistral", ("*",), date(2020, 1, 1), input=Decimal(1000), output=Decimal(0))
    folder.put_own([line])
    assert priced(2) == (5_000_000, "operator")
    folder.put_own([])
    assert priced(3) == before
    home.config.write_text(
        '[[prices]]\nprovider = "mistral"\nmodels = ["*"]\nsince = 2020-01-01\ninput = 2000\noutput = 0\n'
    )
    clerk.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(folder.declared()) == 1)
    assert priced(4) == (10_000_000, "operator")
    writer.close()
    store.close()


def test_the_end_of_the_lifeline_ends_the_clerk(start: Callable[[], Clerk]) -> None:
    clerk = start()
    clerk.cut_lifeline()

    status, said = clerk.end()
    assert status == 0
    assert "the supervisor is gone" in said


def test_a_second_clerk_is_refused(home: Home, start: Callable[[], Clerk]) -> None:
    first = start()
    slot = Board(home.board).slot(CLERK_SLOT)
    wait_until(lambda: slot[Word.STATE] == State.READY)

    status, said = start().end()

    assert status == 1
    assert f"in use by another gantry clerk (pid {first.process.pid})" in said
    assert slot[Word.PID] == first.process.pid


def test_records_survive_a_clerk_killed_at_work(home: Home, start: Callable[[], Clerk]) -> None:
    writer = open_journal(home.journal, segment_bytes=64 << 10)
    slot = Board(home.board).slot(CLERK_SLOT)
    append(writer, [frame for number in range(20_000) for frame in (opened(number), closed(number))])
    for stored in (1, 8000):
        clerk = start()
        wait_until(lambda least=stored: slot[Word.RECORDS] >= least)  # type: ignore[misc]
        clerk.process.kill()
        clerk.end()
    writer.close()
    clerk = start()
    wait_until(lambda: list_incarnations(home.journal) == [])
    clerk.process.send_signal(signal.SIGTERM)
    assert clerk.end()[0] == 0

    store, logs = LogStore(home.logs_db), request_logs.c
    with store.reading() as connection:
        rows, ids = connection.execute(select(func.count(), func.count(logs.log_id.distinct()))).one()
        counted = connection.scalar(select(func.sum(hour_sums.c.requests)))
    store.close()
    assert rows == ids == counted == 20_000
