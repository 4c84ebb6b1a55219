"""Shared counters are set right by several clerks: exactly, once, whatever becomes of the server; it holds up nobody.

Workers, server and store are real; only the clerks' loops are stepped by hand.
"""

import asyncio
import random
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

pytest.importorskip("redis", reason="the extra `redis` is not installed")

from gantry.board.all_counters import SharedSilent
from gantry.board.board import CLERK_SLOT, Board
from gantry.board.counters import Counters
from gantry.board.held import HeldElsewhere
from gantry.board.shared_ledger import SharedLedger
from gantry.clerk.bounded_reading import BoundedReading
from gantry.clerk.correct_shared import SharedCorrections, SharedNotes
from gantry.clerk.rated_meter import RatedMeter
from gantry.clerk.record import Recorder
from gantry.clerk.refill import books_now, compare_board
from gantry.core.limit_terms import CUSTOMER_TOTAL, customer_counters, customer_key, terms_of
from gantry.core.limits import CounterTerms, CustomerTerms, Limit, LimitScope, LimitUnit
from gantry.core.periods import Period
from gantry.core.vocabulary import Environment
from gantry.journal.frames import HoldNote, LogPosted
from gantry.prices.load import load_rates
from gantry.prices.rates import Rates
from gantry.store.control import ControlStore, default_organization
from gantry.store.limits import add_limit
from gantry.store.log_tables import request_logs
from gantry.store.logs import LogStore
from tests.board.test_shared_counters import SERVER, Machine, Server, server
from tests.clerk.samples import append, closed, open_journal, opened, posted

__all__ = ["server"]

pytestmark = [pytest.mark.skipif(SERVER is None, reason="there is no redis-server here"), pytest.mark.slow]

COST, TOKENS = 5 * 150 + 2 * 600, 7  # of the samples' answer, in nano-dollars
HELD, SETTLED = (5000, 50), (300, 4)
LIMITS = [
    Limit(f"{unit}-{period}", LimitScope.ORGANIZATION, "", unit, period, 10**15)
    for unit in (LimitUnit.COST, LimitUnit.TOKENS, LimitUnit.REQUESTS)
    for period in (Period.LIFETIME, Period.YEAR)
]


@pytest.fixture(scope="module")
def rates() -> Rates:
    return load_rates()


class Town:
    """What several machines share, but for the server: the store, and the configuration with its limits."""

    def __init__(self, path: Path, server: Server, rates: Rates, stack: ExitStack) -> None:
        self.path = path
        self.stack = stack
        self.server = server
        self.rates = rates
        self.store = LogStore(path / "logs.db")
        stack.callback(self.store.close)
        self.calls = 0
        with ControlStore(path / "control.db") as control, control.changing() as change:
            self.organization = default_organization(change.connection)
            made = [add_limit(change, self.organization, limit).limit for limit in LIMITS]
        self.terms = [terms_of(self.organization, limit) for limit in made]

    def drifts(self) -> list[tuple[CounterTerms, int, int]]:
        """Return the shared counters that say something else than the store."""
        with ControlStore(self.path / "control.db") as control, control.reading() as connection:
            books, bound = books_now(connection, self.store)
        with SharedLedger(self.server.url) as ledger, self.store.reading() as connection:
            return list(compare_board(ledger, connection, books, bound, time.time_ns()))

    def counted(self) -> list[int]:
        with SharedLedger(self.server.url) as ledger:
            return [ledger.read(term, time.time_ns()) for term in self.terms]


def came_to(calls: int) -> list[int]:
    each = {LimitUnit.COST: COST, LimitUnit.TOKENS: TOKENS, LimitUnit.REQUESTS: 1}
    return [calls * each[limit.unit] for limit in LIMITS]


class Clerk:
    """One machine's: its journal, its recorder, and what sets the server right."""

    def __init__(self, town: Town, name: str, timeout: float = 2.0) -> None:
        self.town = town
        self.path = town.path / name
        self.path.mkdir(exist_ok=True)
        self.writer = open_journal(self.path / "journal")
        self.local = Counters(self.path / "counters")
        town.stack.callback(self.writer.close)
        town.stack.callback(self.local.close)
        self.timeout = timeout
        self.now = 0.0
        self.begin()

    def begin(self) -> None:
        """Begin as a new process does."""
        town, path = self.town, self.path
        self.notes = SharedNotes(path / "corrected-shared", self.local, town.store, time.time_ns)
        meter, slot = RatedMeter(town.rates), Board(path / "board").slot(CLERK_SLOT)
        self.recorder = Recorder(path / "journal", path / "rejected", town.store, meter, slot, corrections=self.notes)
        ledger = town.stack.enter_context(SharedLedger(town.server.url, timeout=self.timeout))
        self.corrections = SharedCorrections(
            self.notes, ledger, town.path / "control.db", town.store, monotonic=lambda: self.now
        )

    def record(self) -> None:
        while self.recorder.run_once():
            pass

    def correct(self) -> None:
        self.now += 10
        self.corrections.step()

    async def call(self, machine: Machine, *, crash: bool = False) -> None:
        """Let a call pass that is settled at less than it came to, and write its frames."""
        town = self.town
        town.calls += 1
        opening = replace(opened(town.calls), organization_id=town.organization, started_at=time.time_ns())
        held = await machine.hold(*town.terms, *HELD, now=opening.started_at)
        assert isinstance(held, HeldElsewhere), held
        opening = replace(opening, hold=HoldNote(*HELD, list(held.counted)))
        counted = await machine.settle(held, *SETTLED)
        ending = replace(closed(town.calls), ended_at=opening.started_at + 9, settled=HoldNote(*SETTLED, list(counted)))
        append(self.writer, [opening, ending])


@pytest.fixture
def town(tmp_path: Path, server: Server, rates: Rates) -> Iterator[Town]:
    with ExitStack() as stack:
        yield Town(tmp_path, server, rates, stack)


def run(work: Callable[[Machine], Coroutine[Any, Any, None]], town: Town, timeout: float = 5.0) -> None:
    async def whole() -> None:
        async with Machine(town.server, town.path / "worker", timeout=timeout) as machine:
            await work(machine)

    asyncio.run(whole())


def test_what_a_call_came_to_lands_once(town: Town) -> None:
    clerk = Clerk(town, "a")

    async def work(machine: Machine) -> None:
        for _ in range(3):
            await clerk.call(machine)
        clerk.record()
        for _ in range(2):
            clerk.correct()
        assert town.counted() == came_to(3)
        await clerk.call(machine)
        clerk.record()
        clerk.begin()  # killed before it was set right
        clerk.correct()
        clerk.begin()
        clerk.correct()

    run(work, town)
    assert town.counted() == came_to(4)
    assert town.drifts() == []


def test_pain_28_a_server_that_stands_still_holds_up_no_record_and_is_set_right_when_it_goes_on(town: Town) -> None:
    clerk = Clerk(town, "a", timeout=0.3)

    async def work(machine: Machine) -> None:
        await clerk.call(machine)
        clerk.record()
        clerk.correct()
        await clerk.call(machine)
        town.server.signal(signal.SIGSTOP)
        for _ in range(3):  # the first waits, and they are counted on the machine alone
            await clerk.call(machine)
        began = time.monotonic()
        clerk.record()
        assert time.monotonic() - began < 3
        with town.store.reading() as connection:
            assert connection.scalar(select(func.count()).select_from(request_logs)) == 5
        for _ in range(2):
            clerk.correct()
        clerk.begin()  # one that starts while the server is silent records at once, too
        await clerk.call(machine)
        clerk.record()
        clerk.correct()
        town.server.signal(signal.SIGCONT)
        await machine.until(lambda: machine.shared.answers)
        for _ in range(2):
            clerk.correct()
        assert town.counted() == came_to(6)
        await clerk.call(machine)
        clerk.record()
        clerk.correct()

    run(work, town, 0.3)
    assert town.counted() == came_to(7)


@pytest.mark.parametrize("records_first", [True, False])
def test_a_server_that_was_killed_is_filled_by_one_clerk_and_the_others_add_what_was_in_no_sum(
    town: Town, records_first: bool
) -> None:
    one, two = Clerk(town, "a"), Clerk(town, "b")

    async def work(machine: Machine) -> None:
        for clerk in (one, two):
            await clerk.call(machine)
            clerk.record()
            clerk.correct()
        await two.call(machine)
        await one.call(machine)  # under way, as far as the store knows
        two.record()
        town.server.kill()
        one.correct()
        two.correct()
        if records_first:
            one.record()
        town.server.start()
        await machine.until(lambda: machine.shared.answers)
        two.correct()  # fills
        one.record()
        for clerk in (one, two, one):
            clerk.correct()
        assert town.counted() == came_to(4)
        await one.call(machine)
        one.record()
        one.correct()

    run(work, town)
    assert town.counted() == came_to(5)
    assert town.drifts() == []


def test_a_clerk_that_is_killed_while_it_fills_is_followed_by_another(town: Town) -> None:
    one, two = Clerk(town, "a"), Clerk(town, "b")

    async def work(machine: Machine) -> None:
        await one.call(machine)
        one.record()
        one.correct()
        with SharedLedger(town.server.url) as ledger:
            ledger._client.flushall()
            made = ledger.begin_fill(one.notes.name)
            assert made is not None
            ledger.fill(one.notes.name, made, [(town.terms[0], COST)], time.time_ns())
            two.correct()
            assert not ledger.stand("").is_filled
            await one.call(machine)
            one.record()
            ledger._client.delete("{gantry}:filler")  # as it goes by itself
        for clerk in (two, one):
            clerk.correct()

    run(work, town)
    assert town.counted() == came_to(2)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_in_whatever_order_counters_are_what_the_store_sums_up_to(town: Town, seed: int) -> None:
    draw = random.Random(seed)
    clerks = [Clerk(town, "a"), Clerk(town, "b")]

    async def work(machine: Machine) -> None:
        for _ in range(60):
            clerk = draw.choice(clerks)
            match draw.randrange(12):
                case 0:
                    with SharedLedger(town.server.url) as ledger:
                        ledger._client.flushall()
                case 1:
                    clerk.begin()
                case 2 | 3:
                    clerk.record()
                case 4 | 5:
                    clerk.correct()
                case 6:
                    clerk.record()
                    clerk.correct()
                case _:
                    await clerk.call(machine)
        for clerk in clerks:
            clerk.record()
        for clerk in (*clerks, *clerks):
            clerk.correct()

    run(work, town)
    assert town.counted() == came_to(town.calls)
    assert town.drifts() == []


def test_a_posted_log_adds_to_the_budgets_of_its_customer(town: Town) -> None:
    clerk = Clerk(town, "a")
    terms = CustomerTerms(total_budget=10**12, period_budget=10**12)
    clerk.local.put_customer(customer_key(town.organization, Environment.TEST, "ada"), terms)
    body = b'{"model":"mistral-small-latest","customer_identifier":"ada","cost":0.5}'
    log: LogPosted = replace(posted(1, body), organization_id=town.organization, received_at=time.time_ns())
    clerk.correct()
    append(clerk.writer, [log])
    clerk.record()
    for _ in range(2):
        clerk.correct()
    with SharedLedger(town.server.url) as ledger:
        found = {
            one.name: ledger.read(one, time.time_ns())
            for one in customer_counters(town.organization, Environment.TEST, "ada", terms)
        }
    assert found[CUSTOMER_TOTAL] == 500_000_000
    assert set(found.values()) == {500_000_000}


def test_who_looks_for_alerts_waits_for_little(town: Town) -> None:
    reading = BoundedReading(town.server.url)
    with SharedLedger(town.server.url) as ledger:
        made = ledger.begin_fill("a")
        assert made is not None
        ledger.fill("a", made, [(town.terms[0], 7)], time.time_ns())
    assert reading.read(town.terms[0], time.time_ns()) == 7
    town.server.signal(signal.SIGSTOP)
    began = time.monotonic()
    assert [reading.read(town.terms[0], time.time_ns()) for _ in range(100)] == [0] * 100
    assert time.monotonic() - began < 1.5
    town.server.signal(signal.SIGCONT)
    with SharedLedger(town.server.url, timeout=0.2) as ledger:
        town.server.kill()
        with pytest.raises(SharedSilent):
            ledger.stand("a")
