"""The board is set right by what records say: exactly, once, and only in the windows that are still on."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from gantry.board.board import CLERK_SLOT, Board
from gantry.board.counters import Counters
from gantry.board.held import Held
from gantry.clerk.batch import Meter
from gantry.clerk.correct import Corrections
from gantry.clerk.rated_meter import RatedMeter
from gantry.clerk.record import Recorder
from gantry.core.limit_terms import CUSTOMER_BUDGET, CUSTOMER_TOTAL, credit_terms, customer_counters, customer_key
from gantry.core.limits import (
    CounterKind,
    CounterTerms,
    CreditTerms,
    CustomerTerms,
    LimitUnit,
    counter_key,
)
from gantry.core.periods import Period
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import Environment
from gantry.journal.frames import CallClosed, CallOpened, Direction, Frame, HoldNote, LogPosted
from gantry.prices.load import load_rates
from gantry.prices.rates import Rates
from gantry.store.audit import audit_books
from gantry.store.credits import balance_of, charged_to
from gantry.store.logs import LogStore
from tests.clerk.samples import ORGANIZATION, STARTED_AT, append, closed, log_id_of, open_journal, opened, part, posted

COST = 5 * 150 + 2 * 600  # of the samples' answer by mistral-small-latest, in nano-dollars
TOKENS = 7
DAY = 86_400 * 10**9


@pytest.fixture(scope="module")
def rates() -> Rates:
    return load_rates()


def terms(unit: LimitUnit, period: Period = Period.LIFETIME, markup_ppm: int = 0) -> CounterTerms:
    key = counter_key(ORGANIZATION, f"{unit}{period}{markup_ppm}")
    return CounterTerms(key, CounterKind.WINDOW, unit, 10**12, True, "l", "l", period, markup_ppm=markup_ppm)


SPEND = terms(LimitUnit.COST)
SPEND_TODAY = terms(LimitUnit.COST, Period.DAY)
TOKENS_TODAY = terms(LimitUnit.TOKENS, Period.DAY)
REQUESTS = terms(LimitUnit.REQUESTS)
CREDITS = credit_terms(ORGANIZATION, CreditTerms(10**12, markup_ppm=200_000))
NO_HOLD = HoldNote(None, 0, [])
ALL = (SPEND, SPEND_TODAY, TOKENS_TODAY, REQUESTS, CREDITS)


class House:
    """A home with a board, and workers that count on it as ours do."""

    def __init__(self, path: Path, rates: Rates, made_at: int = STARTED_AT - DAY) -> None:
        self.path = path
        self.now = made_at
        (path / "journal").mkdir(exist_ok=True)
        self.counters = Counters(path / "counters", clock=lambda: self.now)
        self.counters.mark_filled()
        self.now = STARTED_AT
        self.store = LogStore(path / "logs.db")
        self.rates = rates
        self.writer = open_journal(path / "journal")

    def recorder(self, meter: Meter | None = None) -> Recorder:
        slot = Board(self.path / "board").slot(CLERK_SLOT)
        return Recorder(
            self.path / "journal",
            self.path / "rejected",
            self.store,
            meter or RatedMeter(self.rates),
            slot,
            clock=lambda: self.now,
            corrections=Corrections(self.path / "corrected", self.counters, self.store, lambda: self.now),
        )

    def call(self, number: int, settled: int | None, **fields: Any) -> tuple[CallOpened, CallClosed]:
        """Hold 5,000 and 50 tokens on all counters, and settle a call's cost at what the worker made of it."""
        opening = replace(opened(number), **fields)
        held = self.counters.hold(ALL, 5000, 50, opening.started_at)
        assert isinstance(held, Held)
        note = HoldNote(5000, 50, list(held.counted), True, 200_000)
        opening = replace(opening, hold=note)
        ending = replace(closed(number), ended_at=opening.started_at + 800_000)
        if settled is not None:
            counted = self.counters.settle(held, settled, 9, opening.started_at).counted
            ending = replace(ending, settled=HoldNote(settled, 9, list(counted), True, 200_000))
        return opening, ending

    def write(self, *frames: Frame) -> None:
        append(self.writer, frames)

    def record(self) -> None:
        recorder = self.recorder()
        while recorder.run_once():
            pass

    def find(self, number: int) -> RequestLog:
        log = self.store.find(ORGANIZATION, log_id_of(number))
        assert log is not None
        return log

    def read(self, *which: CounterTerms) -> list[int]:
        return [self.counters.read(term, self.now) for term in which]

    def balance(self) -> int:
        with self.store.reading() as connection:
            return balance_of(connection, ORGANIZATION)


@pytest.fixture
def house(tmp_path: Path, rates: Rates) -> House:
    return House(tmp_path, rates)


MARKED_UP = COST * 12 // 10


@pytest.mark.parametrize("settled", [0, 1, COST, 4000])
def test_what_a_worker_counted_becomes_what_the_record_says(house: House, settled: int) -> None:
    house.write(*house.call(1, settled), *house.call(2, settled))
    house.record()
    assert house.read(*ALL) == [2 * COST, 2 * COST, 2 * TOKENS, 2, 2 * MARKED_UP]
    log = house.find(1)
    assert (log.cost, log.charged, log.markup_ppm) == (COST, MARKED_UP, 200_000)
    assert house.balance() == -2 * MARKED_UP


def test_frames_that_are_read_again_correct_nothing_again(house: House) -> None:
    frames = house.call(1, 10)
    house.write(*frames)
    house.record()
    house.write(*frames)
    house.record()
    house.recorder()
    assert house.read(SPEND, CREDITS) == [COST, MARKED_UP]


def test_a_window_that_is_over_is_left(house: House) -> None:
    house.write(*house.call(1, 10))
    house.now += DAY
    assert house.read(SPEND_TODAY) == [0]
    house.record()
    assert house.read(SPEND, SPEND_TODAY) == [COST, 0]


def test_what_is_noted_and_not_applied_is_applied_by_the_next_clerk(house: House) -> None:
    for number in range(3):
        house.write(*house.call(number, 10))
    recorder = house.recorder()
    recorder._corrections.apply = lambda: None  # type: ignore[union-attr, method-assign]
    recorder.run_once()
    assert house.read(SPEND, CREDITS) == [30, 36]
    house.record()
    house.record()
    assert house.read(SPEND, CREDITS) == [3 * COST, 3 * MARKED_UP]


def test_a_crashed_call_is_recorded_at_its_hold(house: House) -> None:
    """Pain 7: nothing is leaked: the counters keep the estimate, and the books say the same."""
    opening, _ = house.call(1, None)
    house.write(opening)
    house.writer.close()
    house.record()
    log = house.find(1)
    assert (log.outcome, log.cost, log.price_source, log.charged) == ("gateway_crashed", 5000, "hold", 6000)
    assert (log.usage.total_tokens, log.usage.estimated) == (50, True)
    assert house.read(*ALL) == [5000, 5000, 50, 1, 6000]
    assert house.balance() == -6000


class NoMeter:
    """One that understands nothing."""

    def call(self, opened: CallOpened, request: bytes, response: bytes, closed: CallClosed) -> RequestLog:
        raise KeyError("unforeseen")

    def posted(self, frame: LogPosted) -> RequestLog:
        raise KeyError("unforeseen")


def test_what_cannot_be_metered_costs_what_its_worker_counted(house: House) -> None:
    """The money was spent, and the board has it: ledger, logs and sums say the same."""
    house.write(*house.call(1, 4000))
    crashed, _ = house.call(2, None)
    house.write(crashed)
    house.writer.close()
    recorder = house.recorder(NoMeter())
    while recorder.run_once():
        pass
    logs = [house.find(1), house.find(2)]
    assert [(log.cost, log.charged, log.usage.total_tokens, log.usage.estimated, log.price_source) for log in logs] == [
        (4000, 4800, 9, True, "hold"),
        (5000, 6000, 50, True, "hold"),
    ]
    assert house.read(*ALL) == [9000, 9000, 59, 2, 10_800]
    assert house.balance() == -10_800
    with house.store.reading() as connection:
        assert audit_books(connection, house.now) == []


def test_a_crashed_call_counts_the_tokens_of_its_record(house: House) -> None:
    """What was captured of its answer tells how many there were; what it cost stays at the estimate."""
    opening, ending = house.call(1, None)
    house.write(opening, part(1, ending.response_body, direction=Direction.RESPONSE))
    house.writer.close()
    house.record()
    log = house.find(1)
    assert (log.outcome, log.cost, log.usage.input_tokens) == ("gateway_crashed", 5000, 5)
    assert house.read(*ALL) == [5000, 5000, TOKENS, 1, 6000]


def test_what_was_counted_on_a_board_that_is_lost_counts_on_the_new_one(tmp_path: Path, rates: Rates) -> None:
    """A call that ended before, one that was under way, one that crashed: none of them in the store when it is lost."""
    house = House(tmp_path, rates)
    ended, (opening, _), (crashed, _) = house.call(1, 10), house.call(2, None), house.call(3, None)
    house.counters.close()
    (tmp_path / "counters").unlink()
    house.now = STARTED_AT + 10_000_000
    house.counters = Counters(tmp_path / "counters", clock=lambda: house.now)
    # The worker of the second settles one more than it held, and that is all that the new board has of it.
    counted = [
        replace(one, amount=one.amount + (one.unit != LimitUnit.REQUESTS)) for one in (opening.hold or NO_HOLD).counted
    ]
    for term in ALL:
        assert house.counters.fill(term, int(term.unit is not LimitUnit.REQUESTS), house.now)
    house.counters.mark_filled()
    ending = replace(closed(2), ended_at=house.now + 5, settled=HoldNote(5001, 51, list(counted), True, 200_000))
    house.write(*ended, opening, ending, crashed)
    house.writer.close()
    house.record()
    assert house.read(SPEND, SPEND_TODAY) == [2 * COST + 5000] * 2
    assert house.read(TOKENS_TODAY, REQUESTS) == [2 * TOKENS + 50, 3]


def budgets(house: House, customer: str, said: CustomerTerms) -> dict[str, int]:
    found = customer_counters(ORGANIZATION, Environment.PROD, customer, said)
    return {term.name: house.counters.read(term, house.now) for term in found}


def posted_for(number: int, customer: str, cost: float, **params: Any) -> LogPosted:
    body = {"model": "m", "cost": cost, "customer_params": {"customer_identifier": customer, **params}}
    return replace(posted(number), environment="prod", received_at=STARTED_AT, body=msgspec.json.encode(body))


def test_posted_logs_count_on_the_budgets_of_their_customer_alone(house: House) -> None:
    said = CustomerTerms(10**9, Period.DAY, 10**10, markup_ppm=500_000)
    house.counters.put_customer(customer_key(ORGANIZATION, Environment.PROD, "ada"), said)
    house.write(posted_for(1, "ada", 0.01), posted_for(2, "bob", 0.01))
    house.write(posted_for(3, "cem", 0.02, total_budget=5))
    house.record()
    house.record()
    assert budgets(house, "ada", said) == {CUSTOMER_BUDGET: 15_000_000, CUSTOMER_TOTAL: 15_000_000}
    cem = house.counters.customer(customer_key(ORGANIZATION, Environment.PROD, "cem"))
    assert cem == CustomerTerms(total_budget=5 * 10**9)
    assert budgets(house, "cem", cem) == {CUSTOMER_TOTAL: 20_000_000}
    assert house.read(SPEND, CREDITS) == [0, 0]


def test_no_posted_log_gives_a_customer_back_what_it_has_spent(house: House) -> None:
    said = CustomerTerms(total_budget=10**10)
    house.counters.put_customer(customer_key(ORGANIZATION, Environment.PROD, "ada"), said)
    absurd = {"model": "openai/gpt-4o", "prompt_tokens": 0, "prompt_cache_hit_tokens": 10**9}
    body = msgspec.json.encode({**absurd, "customer_identifier": "ada"})
    house.write(posted_for(1, "ada", 0.01), replace(posted_for(2, "ada", 0), body=body))
    house.record()
    assert budgets(house, "ada", said) == {CUSTOMER_TOTAL: 10_000_000}


def test_a_markup_is_what_the_call_says_or_what_its_customer_has(house: House) -> None:
    def params(**said: Any) -> bytes:
        return msgspec.json.encode({"customer_params": {"customer_identifier": "ada", **said}})

    house.write(*house.call(1, 10, params=params(markup_percentage=50)), *house.call(2, 10, params=params()))
    house.record()
    house.write(*house.call(3, 10, params=params()), *house.call(4, 10, params=params(markup_percentage=10)))
    house.write(*house.call(5, 10, params=b'{"customer_identifier":"bob"}'))
    house.record()
    costs = [house.find(number).customer_cost for number in range(1, 6)]
    assert costs == [COST * 3 // 2, COST * 3 // 2, COST * 3 // 2, COST * 11 // 10, None]


def test_credits_do_not_pay_an_answer_that_came_from_ones_own_credential_beside_the_platforms(house: House) -> None:
    opening, ending = house.call(1, 10)
    assert ending.settled is not None
    house.write(opening, replace(ending, settled=replace(ending.settled, on_credits=False, markup_ppm=0)))
    house.record()
    assert house.find(1).charged is None
    assert house.read(SPEND, CREDITS) == [COST, 0]
    assert house.balance() == 0


def test_own_credentials_are_not_charged(house: House) -> None:
    opening, ending = house.call(1, 10)
    house.write(
        replace(opening, hold=replace(opening.hold or NO_HOLD, on_credits=False)),
        replace(ending, settled=replace(ending.settled or NO_HOLD, on_credits=False)),
    )
    house.write(*house.call(2, 10))
    house.record()
    assert house.find(1).charged is None
    with house.store.reading() as connection:
        assert charged_to(connection, ORGANIZATION) == house.find(2).charged == MARKED_UP
