"""The board's counters: all or none, by the window a call began in, and what they say when they refuse."""

import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from gantry.board.all_counters import opened_counters
from gantry.board.counters import Counters, prepare_counters
from gantry.board.held import Held
from gantry.board.standings import Refused, Standing
from gantry.core.limits import Counted, CounterKind, CounterTerms, CustomerTerms, LimitUnit
from gantry.core.periods import Period, window_at
from tests.board.ledger import MINUTE, NOW, NaiveCounters, terms_of

DAY = 86_400_000_000_000
SLOT = 3


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "counters"


@pytest.fixture
def counters(path: Path, clock: Clock) -> Iterator[Counters]:
    counters = Counters(path, slot=SLOT, clock=clock)
    yield counters
    counters.close()


def held(answer: Held | Refused) -> Held:
    assert isinstance(answer, Held), answer
    return answer


def refused(answer: Held | Refused) -> Standing:
    assert isinstance(answer, Refused), answer
    assert answer.standing is not None
    return answer.standing


def test_a_hold_is_its_estimate_until_it_is_settled(counters: Counters) -> None:
    budget, tokens = terms_of("budget"), terms_of("tokens", LimitUnit.TOKENS, 1000)
    call = held(counters.hold((budget, tokens), 60, 500, NOW))
    assert [(one.amount, one.unit) for one in call.counted] == [(60, "cost"), (500, "tokens")]
    assert (counters.read(budget, NOW), counters.read(tokens, NOW)) == (60, 500)
    settled = counters.settle(call, 10, 70, NOW).counted
    assert [one.amount for one in settled] == [10, 70]
    assert (counters.read(budget, NOW), counters.read(tokens, NOW)) == (10, 70)


def test_all_counters_or_none(counters: Counters) -> None:
    """Pain 6: what is checked is held in the same step."""
    wide, narrow, gauge = terms_of("wide", capacity=1000), terms_of("narrow"), terms_of("g", LimitUnit.CONCURRENCY, 5)
    bucket = terms_of("bucket", LimitUnit.REQUESTS, 9, kind=CounterKind.RATE)
    standing = refused(counters.hold((wide, gauge, bucket, narrow), 101, 1, NOW))
    assert (standing.terms, standing.current, standing.new) == (narrow, 0, 101)
    assert [counters.read(one, NOW) for one in (wide, gauge, bucket, narrow)] == [0, 0, 0, 0]


def test_a_refusal_tells_of_all_that_were_asked_and_of_the_first_that_refused(counters: Counters) -> None:
    one, two, three = terms_of("one", capacity=1000), terms_of("two"), terms_of("three", capacity=5)
    answer = counters.hold((one, two, three), 200, 1, NOW)
    assert isinstance(answer, Refused)
    assert answer.standing == Standing(two, 0, 200)
    assert [(standing.terms, standing.new) for standing in answer.standings] == [(one, 200), (two, 200), (three, 200)]


def test_a_refusal_says_when_it_ends(counters: Counters) -> None:
    day = terms_of("day", period=Period.DAY)
    end = window_at(Period.DAY, NOW).end
    assert end is not None
    standing = refused(counters.hold((day,), 101, 1, NOW))
    assert (standing.resets_at, standing.retry_after) == (end, -((NOW - end) // 1_000_000_000))
    gauge = terms_of("gauge", LimitUnit.CONCURRENCY, 0)
    assert refused(counters.hold((gauge,), 0, 0, NOW)).retry_after is None
    bucket = terms_of("bucket", LimitUnit.REQUESTS, 60, kind=CounterKind.RATE)
    for _ in range(60):
        held(counters.hold((bucket,), 0, 0, NOW))
    standing = refused(counters.hold((bucket,), 0, 0, NOW))
    assert (standing.current, standing.new) == (60, 61)
    assert (standing.resets_at, standing.retry_after) == (NOW + 1_000_000_000, 1)
    refused(counters.hold((terms_of("none", LimitUnit.REQUESTS, 0, kind=CounterKind.RATE),), 0, 0, NOW))


def test_what_only_warns_never_refuses(counters: Counters) -> None:
    soft = terms_of("soft", capacity=10, blocks=False)
    bucket = terms_of("bucket", LimitUnit.REQUESTS, 1, kind=CounterKind.RATE, blocks=False)
    assert held(counters.hold((soft, bucket), 9, 1, NOW)).warned == ()
    call = held(counters.hold((soft, bucket), 9, 1, NOW))
    assert [(one.terms, one.new) for one in call.warned] == [(soft, 18), (bucket, 2)]
    assert held(counters.hold((soft,), None, 1, NOW)).warned[0].terms == soft
    for _ in range(100):
        held(counters.hold((bucket,), 0, 0, NOW))
    assert counters.read(bucket, NOW) == 1  # a bucket is empty, not a hundred times empty


def test_a_bucket_that_only_warns_gets_back_no_more_than_it_gave(counters: Counters) -> None:
    bucket = terms_of("bucket", LimitUnit.TOKENS, 100, kind=CounterKind.RATE, blocks=False)
    counters.settle(held(counters.hold((bucket,), 0, 90, NOW)), 0, 90, NOW)
    absurd = held(counters.hold((bucket,), 0, 10**9, NOW))
    assert counters.read(bucket, NOW) == 100
    counters.settle(absurd, 0, 5, NOW)
    assert counters.read(bucket, NOW) == 95
    counters.release(held(counters.hold((bucket,), 0, 10**9, NOW)), NOW)
    assert counters.read(bucket, NOW) == 95
    counters.settle(held(counters.hold((bucket,), 0, 2, NOW)), 0, 1, NOW)
    assert counters.read(bucket, NOW) == 96


def test_percentages_are_told_of_without_refusing(counters: Counters) -> None:
    term = terms_of("watched", alerts=(80, 100))
    assert held(counters.hold((term,), 79, 1, NOW)).warned == ()
    assert [one.new for one in held(counters.hold((term,), 1, 1, NOW)).warned] == [80]


def test_a_price_that_is_not_known_counts_nothing_but_does_not_pass_what_is_used_up(counters: Counters) -> None:
    term = terms_of("budget")
    assert held(counters.hold((term,), None, 1, NOW)).counted[0].amount == 0
    call = held(counters.hold((term,), 100, 1, NOW))
    assert refused(counters.hold((term,), None, 1, NOW)).current == 100
    counters.release(call, NOW)
    held(counters.hold((term,), None, 1, NOW))


def test_pain_15_a_call_that_costs_nothing_passes_a_budget_that_is_used_up(counters: Counters) -> None:
    term = terms_of("budget")
    counters.settle(held(counters.hold((term,), 1, 1, NOW)), 500, 1, NOW)
    assert refused(counters.hold((term,), 1, 1, NOW)).current == 500
    counters.settle(held(counters.hold((term,), 0, 1, NOW)), 0, 1, NOW)


def test_pain_16_a_negative_cost_gives_nothing_back(counters: Counters) -> None:
    term = terms_of("budget")
    held(counters.hold((term,), 50, 1, NOW))
    settled = counters.settle(held(counters.hold((term,), 10, 1, NOW)), -1000, -5, NOW).counted
    assert (settled[0].amount, counters.read(term, NOW)) == (0, 50)


def test_pain_7_what_was_never_made_is_released_whole_and_once(counters: Counters) -> None:
    terms = terms_of("budget"), terms_of("calls", LimitUnit.REQUESTS), terms_of("g", LimitUnit.CONCURRENCY)
    call = held(counters.hold(terms, 60, 1, NOW))
    counters.release(call, NOW)
    counters.release(call, NOW)
    assert counters.settle(call, 60, 1, NOW).counted == tuple(replace(one, amount=0) for one in call.counted)
    assert [counters.read(one, NOW) for one in terms] == [0, 0, 0]


def test_settling_twice_is_settling_once(counters: Counters) -> None:
    term = terms_of("budget")
    call = held(counters.hold((term,), 60, 1, NOW))
    assert counters.settle(call, 10, 1, NOW).counted == counters.settle(call, 90, 1, NOW).counted
    assert counters.read(term, NOW) == 10


def test_credits_count_what_is_put_on_top(counters: Counters) -> None:
    term = terms_of("org_credits", capacity=120, markup_ppm=200_000)
    assert held(counters.hold((term,), 100, 1, NOW)).counted[0] == Counted(term.key, "cost", 0, 0, 120, 200_000)
    assert refused(counters.hold((term,), 1, 1, NOW)).current == 120


def test_a_period_begins_anew_and_what_ends_late_counts_in_its_own(counters: Counters, clock: Clock) -> None:
    term = terms_of("day", period=Period.DAY)
    late = held(counters.hold((term,), 90, 1, NOW))
    clock.now += DAY
    assert counters.read(term, clock.now) == 0
    held(counters.hold((term,), 50, 1, clock.now))
    assert [one.amount for one in counters.settle(late, 10, 1, NOW).counted] == [0]
    assert counters.read(term, clock.now) == 50
    assert not counters.correct(late.counted[0], 10, clock.now)
    assert counters.read(term, clock.now) == 50


def test_a_call_that_began_in_a_window_that_is_over_counts_in_none(counters: Counters, clock: Clock) -> None:
    term, lifetime = terms_of("minute", period=Period.MINUTE), terms_of("all")
    clock.now += MINUTE
    held(counters.hold((term,), 50, 1, clock.now))
    call = held(counters.hold((term, lifetime), 90, 1, NOW))
    assert [one.key for one in call.counted] == [lifetime.key]
    assert counters.read(term, clock.now) == 50


def test_a_clock_that_was_ahead_does_not_keep_a_window_from_beginning(path: Path, clock: Clock) -> None:
    term = terms_of("day", period=Period.DAY)
    ahead = Counters(path, clock=lambda: NOW + 3650 * DAY)
    held(ahead.hold((term,), 100, 1, NOW + 3650 * DAY))
    one = Counters(path, clock=clock)
    held(one.hold((term,), 60, 1, NOW))
    assert one.read(term, NOW) == 60
    refused(one.hold((term,), 60, 1, NOW))


def test_a_period_may_begin_on_a_day_of_its_own(counters: Counters, clock: Clock) -> None:
    anchor = NOW - 3 * DAY
    term = terms_of("customer", period=Period.WEEK, anchor=anchor)
    held(counters.hold((term,), 100, 1, NOW))
    standing = refused(counters.hold((term,), 1, 1, NOW))
    assert standing.resets_at == anchor + 7 * DAY
    clock.now = anchor + 7 * DAY
    held(counters.hold((term,), 100, 1, clock.now))
    moved = replace(term, anchor=anchor + DAY)
    assert counters.read(moved, clock.now) == 0
    held(counters.hold((moved,), 100, 1, clock.now))


@pytest.mark.parametrize("changes", [{"period": Period.HOUR}, {"unit": LimitUnit.TOKENS}, {"kind": CounterKind.RATE}])
def test_a_limit_that_counts_something_else_now_begins_anew(counters: Counters, changes: dict[str, object]) -> None:
    term = terms_of("limit", LimitUnit.REQUESTS, 100, period=Period.DAY)
    for _ in range(100):
        held(counters.hold((term,), 0, 1, NOW))
    refused(counters.hold((term,), 0, 1, NOW))
    other = replace(term, **changes)
    held(counters.hold((other,), 0, 1, NOW))
    assert counters.read(other, NOW) == 1


def test_another_capacity_goes_on_from_what_is_counted(counters: Counters) -> None:
    term = terms_of("limit")
    held(counters.hold((term,), 100, 1, NOW))
    refused(counters.hold((term,), 1, 1, NOW))
    held(counters.hold((replace(term, capacity=101),), 1, 1, NOW))
    assert counters.read(term, NOW) == 101
    bucket = terms_of("bucket", LimitUnit.REQUESTS, 2, kind=CounterKind.RATE)
    held(counters.hold((bucket,), 1, 1, NOW))
    held(counters.hold((bucket,), 1, 1, NOW))
    assert refused(counters.hold((bucket,), 1, 1, NOW)).current == 2
    larger = refused(counters.hold((replace(bucket, capacity=4),), 1, 1, NOW))
    assert larger.current == 4, "an empty bucket is empty, however large it is now"


def test_a_bucket_is_asked_by_the_present_where_a_call_began_before(counters: Counters) -> None:
    bucket = terms_of("bucket", LimitUnit.REQUESTS, 60, kind=CounterKind.RATE)
    for _ in range(60):
        held(counters.hold((bucket,), 0, 0, NOW))
    assert refused(counters.hold((bucket,), 0, 0, NOW)).current == 60
    held(counters.hold((bucket,), 0, 0, NOW, present=NOW + 1_000_000_000))
    assert counters.read(bucket, NOW + 1_000_000_000) == 60, "one has come back in that second, and is taken"


@pytest.mark.parametrize("tokens", [0, 10])
def test_what_ends_hours_after_it_began_does_not_fill_a_bucket(counters: Counters, clock: Clock, tokens: int) -> None:
    bucket = terms_of("bucket", LimitUnit.TOKENS, 60, kind=CounterKind.RATE)
    tunnel = held(counters.hold((bucket,), 0, 1, NOW))
    clock.now = later = NOW + 3 * 60 * MINUTE
    held(counters.hold((bucket,), 0, 50, later))
    counters.settle(tunnel, 0, tokens, NOW)
    assert counters.read(bucket, later) == 50 + tokens - 1


def test_the_clerk_sets_right_what_was_counted(counters: Counters) -> None:
    terms = terms_of("budget", period=Period.DAY), terms_of("b", LimitUnit.TOKENS, 60, kind=CounterKind.RATE)
    call = held(counters.hold(terms, 60, 10, NOW))
    settled = counters.settle(call, 50, 20, NOW).counted
    assert counters.correct(settled[0], -8, NOW)
    assert counters.correct(settled[1], 11, NOW)
    assert [counters.read(one, NOW) for one in terms] == [42, 31]
    assert counters.correct(settled[0], -1000, NOW)
    assert counters.read(terms[0], NOW) == 0


def test_a_new_file_is_filled_once_and_counting_goes_on(path: Path, counters: Counters) -> None:
    term = terms_of("budget", period=Period.MONTH, capacity=1000)
    assert counters.made_at == NOW
    held(counters.hold((term,), 60, 1, NOW))
    clerk = Counters(path)
    assert clerk.is_new
    assert clerk.fill(term, 500, NOW)
    assert not clerk.fill(term, 500, NOW)  # a clerk that was killed begins again
    assert counters.read(term, NOW) == 560
    clerk.mark_filled()
    assert not counters.is_new
    assert not Counters(path).is_new


def test_counters_are_reset_by_name_or_all_and_what_was_held_comes_back_by_its_record(counters: Counters) -> None:
    one, two = terms_of("one"), terms_of("two")
    call = held(counters.hold((one, two), 60, 1, NOW))
    assert counters.reset([one.key, b"nobody's key..."]) == 1
    assert [counters.read(term, NOW) for term in (one, two)] == [0, 60]
    settled = counters.settle(call, 50, 1, NOW).counted
    assert [counted.amount for counted in settled] == [0, 50]
    assert counters.correct(settled[0], 50 - settled[0].amount, NOW)
    assert [counters.read(term, NOW) for term in (one, two)] == [50, 50]
    assert counters.reset() == 2
    assert [counters.read(term, NOW) for term in (one, two)] == [0, 0]


def test_what_nobody_wants_is_let_go(counters: Counters) -> None:
    kept, gone, gauge = terms_of("kept"), terms_of("gone"), terms_of("g", LimitUnit.CONCURRENCY)
    call = held(counters.hold((kept, gone, gauge), 60, 1, NOW))
    assert counters.retain({kept.key}.__contains__) == 1
    assert [counters.read(term, NOW) for term in (kept, gone, gauge)] == [60, 0, 1]
    held(counters.hold((gone,), 70, 1, NOW))
    counters.settle(call, 60, 1, NOW)
    assert [counters.read(term, NOW) for term in (kept, gone, gauge)] == [60, 70, 0]


def test_what_no_row_has_room_for_is_as_much_as_there_is_room(counters: Counters) -> None:
    most = (1 << 63) - 1
    terms = (
        terms_of("soft", capacity=5, blocks=False),
        terms_of("endless", capacity=1 << 80),
        terms_of("bucket", LimitUnit.TOKENS, 1 << 80, kind=CounterKind.RATE),
    )
    call = held(counters.hold(terms, 1 << 70, 1 << 70, NOW))
    assert [counters.read(term, NOW) for term in terms[:2]] == [most, most]
    counters.settle(call, 1 << 69, 1 << 69, NOW)
    counters.settle(held(counters.hold(terms, 1, 1, NOW)), 1 << 70, 1 << 70, NOW)
    assert counters.correct(call.counted[0], 1 << 70, NOW)
    assert counters.fill(terms[0], 1 << 70, NOW)
    assert counters.read(terms[0], NOW) == most


def test_a_call_may_pass_a_thousand_counters(counters: Counters) -> None:
    terms = [terms_of(f"{number}", LimitUnit.REQUESTS) for number in range(1001)]
    call = held(counters.hold(terms, 1, 1, NOW))
    assert {counters.read(term, NOW) for term in terms} == {1}
    counters.release(call, NOW)
    assert {counters.read(term, NOW) for term in terms} == {0}


def test_rows_that_are_over_are_used_again(path: Path, clock: Clock) -> None:
    counters = Counters(path, slot=SLOT, clock=clock)
    size = 0
    for day in range(4):
        for number in range(3000):
            term = terms_of(f"{day}/{number}", period=Period.DAY)
            held(counters.hold((term,), 1, 1, clock.now))
        if day == 1:
            size = path.stat().st_size
        clock.now += DAY
    assert path.stat().st_size == size
    for number in range(5000):
        gauge, bucket = terms_of(f"g{number}", LimitUnit.CONCURRENCY), terms_of(f"b{number}", kind=CounterKind.RATE)
        counters.release(held(counters.hold((gauge, bucket), 1, 1, clock.now)), clock.now)
    assert path.stat().st_size <= size + (1 << 18)


def test_rows_that_are_in_use_are_not_used_again(path: Path, clock: Clock) -> None:
    """All of one call's rows stay its own, though a bucket that is full is nobody's otherwise."""
    counters = Counters(path, slot=SLOT, clock=clock)
    terms = [terms_of(f"b{number}", LimitUnit.REQUESTS, kind=CounterKind.RATE) for number in range(150)]
    for round_ in range(1, 4):
        for first in range(0, 20_000, 150):
            others = [terms_of(f"{first + n}", LimitUnit.REQUESTS, kind=CounterKind.RATE) for n in range(150)]
            held(counters.hold(others, 1, 1, clock.now))
        held(counters.hold(terms, 1, 1, clock.now))
        assert [counters.read(term, clock.now) for term in terms] == [1] * len(terms), round_
        clock.now += 2 * MINUTE


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """Let no file of this process grow beyond the size of one, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size if path.exists() else 0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_costs_no_call(path: Path, counters: Counters) -> None:
    known = terms_of("known")
    held(counters.hold((known,), 60, 1, NOW))
    with full_disk(path):
        check_without_room(counters, known)
    held(counters.hold((terms_of("gauge", LimitUnit.CONCURRENCY, 1),), 10, 1, NOW))


def check_without_room(counters: Counters, known: CounterTerms) -> None:
    gauge = terms_of("gauge", LimitUnit.CONCURRENCY, 0)
    call = held(counters.hold((known, gauge), 10, 1, NOW))
    assert [one.amount for one in call.counted] == [10]
    assert counters.without_room == 1
    assert refused(counters.hold((gauge, known), 50, 1, NOW)).terms == known
    assert not counters.put_customer(bytes(15) + b"1", CustomerTerms(total_budget=1))


def test_a_full_disk_refuses_where_nothing_may_pass_uncounted(path: Path) -> None:
    counters = Counters(path, slot=SLOT, fail_closed=True)
    with full_disk(path):
        answer = counters.hold((terms_of("new"),), 1, 1, NOW)
    assert isinstance(answer, Refused)
    assert answer.standing is None
    assert "no room" in answer.reason


def test_a_disk_that_is_full_at_the_start_is_said_and_tried_again(path: Path) -> None:
    with full_disk(path), pytest.raises(OSError):
        Counters(path)
    held(Counters(path).hold((terms_of("new"),), 1, 1, NOW))


def test_calls_under_way_need_a_slot(path: Path) -> None:
    with pytest.raises(ValueError, match="slot"):
        Counters(path).hold((terms_of("gauge", LimitUnit.CONCURRENCY),), 0, 0, NOW)


def test_who_takes_over_a_slot_lets_go_what_its_predecessor_held(path: Path) -> None:
    gauge = terms_of("gauge", LimitUnit.CONCURRENCY, 3)
    before, other = Counters(path, slot=SLOT), Counters(path, slot=SLOT + 1)
    orphan = held(before.hold((gauge,), 0, 0, NOW))
    held(before.hold((gauge,), 0, 0, NOW))
    held(other.hold((gauge,), 0, 0, NOW))
    assert refused(other.hold((gauge,), 0, 0, NOW)).current == 3
    after = Counters(path, slot=SLOT)
    assert after.read(gauge, NOW) == 1
    call = held(after.hold((gauge,), 0, 0, NOW))
    before.settle(orphan, 0, 0, NOW)  # it lives on, but the slot is another's
    held(before.hold((gauge,), 0, 0, NOW))
    assert after.read(gauge, NOW) == 2
    after.settle(call, 0, 0, NOW)
    assert after.read(gauge, NOW) == 1


def test_counts_outlive_a_restart_and_calls_under_way_do_not(path: Path) -> None:
    budget, gauge = terms_of("budget"), terms_of("gauge", LimitUnit.CONCURRENCY)
    node = prepare_counters(path, boot=7)
    held(Counters(path, slot=SLOT).hold((budget, gauge), 60, 1, NOW))
    node.close()  # killed
    after = prepare_counters(path, boot=7)
    assert [after.read(term, NOW) for term in (budget, gauge)] == [60, 0]


@pytest.mark.parametrize("clean", [True, False])
def test_a_machine_that_went_down_in_between_is_believed_only_after_a_clean_stop(path: Path, clean: bool) -> None:
    budget = terms_of("budget")
    node = prepare_counters(path, boot=7)
    held(node.hold((budget,), 60, 1, NOW))
    node.mark_filled()
    node.stop() if clean else node.close()
    after = prepare_counters(path, boot=8)
    assert (after.read(budget, NOW), after.is_new) == ((60, False) if clean else (0, True))
    after.close()
    assert prepare_counters(path, boot=8).is_new != clean


@pytest.mark.parametrize("broken", [b"something else" * 5000, b"\x31"])
def test_a_file_that_cannot_be_read_is_made_anew(path: Path, broken: bytes) -> None:
    path.write_bytes(broken)
    with pytest.raises(ValueError, match="counters"):
        Counters(path)
    assert prepare_counters(path, boot=7).is_new


def test_a_file_that_was_cut_off_is_made_anew(path: Path) -> None:
    held(Counters(path).hold((terms_of("budget"),), 60, 1, NOW))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 4096)
    assert prepare_counters(path, boot=7).is_new


def test_one_question_leaves_nothing_behind(path: Path) -> None:
    with opened_counters(path) as counters:
        assert counters is None
    assert not path.exists()
    Counters(path).put_customer(b"k" * 16, CustomerTerms(total_budget=5))
    with opened_counters(path) as counters:
        assert counters is not None
        assert counters.customer(b"k" * 16) == CustomerTerms(total_budget=5)


CUSTOMERS = st.builds(
    CustomerTerms,
    period_budget=st.none() | st.integers(0, 1 << 62),
    budget_duration=st.none() | st.sampled_from(Period),
    total_budget=st.none() | st.integers(0, 1 << 62),
    rate_limit=st.none() | st.integers(0, 1 << 31),
    markup_ppm=st.integers(0, 10_000_000),
    period_start=st.none() | st.integers(-(1 << 60), 1 << 62),
    period_end=st.none() | st.integers(0, 1 << 62),
    managed=st.booleans(),
)


def test_customers_are_known_to_all_processes(path: Path) -> None:
    one, other = Counters(path), Counters(path)
    key = b"c" * 16
    assert other.customer(key) is None
    assert one.put_customer(key, CustomerTerms(period_budget=5, budget_duration=Period.WEEK))
    assert other.customer(key) == CustomerTerms(period_budget=5, budget_duration=Period.WEEK)
    assert one.put_customer(key, CustomerTerms(rate_limit=0), only_unmanaged=True)
    assert other.customer(key) == CustomerTerms(rate_limit=0)
    assert one.put_customer(key, CustomerTerms(total_budget=9, managed=True))
    assert not other.put_customer(key, CustomerTerms(total_budget=10), only_unmanaged=True)
    assert other.customer(key) == CustomerTerms(total_budget=9, managed=True)
    assert other.put_customer(key, CustomerTerms(total_budget=11))
    assert one.forget_customer(key)
    assert other.customer(key) is None
    assert not one.forget_customer(key)


@settings(max_examples=25)
class CountersMachine(RuleBasedStateMachine):
    """Two processes' mappings of one file, against the naive model."""

    TERMS = (
        terms_of("budget", capacity=1000),
        terms_of("day", capacity=300, period=Period.DAY, alerts=(50,)),
        terms_of("minute", LimitUnit.TOKENS, 200, period=Period.MINUTE),
        terms_of("soft", LimitUnit.TOKENS, 50, blocks=False, period=Period.HOUR),
        terms_of("credits", capacity=800, markup_ppm=333_333),
        terms_of("anchored", capacity=400, period=Period.MONTH, anchor=NOW - 3 * DAY - 17),
        terms_of("bucket", LimitUnit.REQUESTS, 7, kind=CounterKind.RATE),
        terms_of("gauge", LimitUnit.CONCURRENCY, 4),
    )

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.sides = [self.open_side(number) for number in range(2)]
        self.naive = NaiveCounters()
        self.open: list[tuple[int, Held, tuple[CounterTerms, ...], int, int, int]] = []

    def open_side(self, number: int) -> Counters:
        return Counters(Path(self.folder.name, "counters"), slot=SLOT + number, clock=self.clock)

    @rule(
        side=st.integers(0, 1),
        chosen=st.sets(st.integers(0, len(TERMS) - 1), min_size=1),
        cost=st.none() | st.integers(0, 200),
        tokens=st.integers(0, 100),
    )
    def hold(self, side: int, chosen: set[int], cost: int | None, tokens: int) -> None:
        terms = tuple(self.TERMS[number] for number in sorted(chosen))
        answer = self.sides[side].hold(terms, cost, tokens, self.clock.now)
        assert isinstance(answer, Held) == self.naive.hold(terms, cost, tokens, self.clock.now)
        if isinstance(answer, Held):
            self.open.append((side, answer, terms, cost or 0, tokens, self.clock.now))

    @rule(number=st.integers(0, 100), cost=st.integers(0, 300), tokens=st.integers(0, 150), released=st.booleans())
    def end(self, number: int, cost: int, tokens: int, released: bool) -> None:
        if not self.open:
            return
        side, call, terms, held_cost, held_tokens, began = self.open.pop(number % len(self.open))
        # What a bucket gets back late is `test_rate`'s.
        released = released and not any(term.kind is CounterKind.RATE for term in terms)
        if released:
            self.sides[side].release(call, began)
        else:
            self.sides[side].settle(call, cost, tokens, began)
        for term in terms:
            if term.kind is not CounterKind.RATE:
                was = self.naive.amount(term, held_cost, held_tokens)
                new = 0 if released or term.kind is CounterKind.GAUGE else self.naive.amount(term, cost, tokens)
                self.naive.add(term, new - was, began, self.clock.now)

    @rule(seconds=st.sampled_from([1, 10, 59, 60, 3600, 86_400, 20 * 86_400]))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds * 1_000_000_000

    @rule(side=st.integers(0, 1))
    def kill(self, side: int) -> None:
        """What a killed worker held stays counted, but for its calls under way."""
        self.sides[side] = self.open_side(side)
        gone = [call for call in self.open if call[0] == side]
        self.open = [call for call in self.open if call[0] != side]
        for _, _, terms, *_ in gone:
            for term in terms:
                if term.kind is CounterKind.GAUGE:
                    self.naive.add(term, -1, 0, 0)

    @invariant()
    def both_sides_read_what_the_model_says(self) -> None:
        for term in self.TERMS:
            wanted = self.naive.read(term, self.clock.now)
            assert [side.read(term, self.clock.now) for side in self.sides] == [wanted, wanted], term.name

    def teardown(self) -> None:
        self.folder.cleanup()


TestCountersAgainstTheModel = CountersMachine.TestCase


def test_what_another_process_does_with_rows_is_seen_by_who_remembers_them(path: Path, counters: Counters) -> None:
    terms = terms_of("kept"), terms_of("let go"), terms_of("bucket", LimitUnit.TOKENS, 100, kind=CounterKind.RATE)
    other = Counters(path)
    first = held(counters.hold(terms, 10, 5, NOW))
    other.retain(lambda key: key == terms[0].key)
    second = held(counters.hold(terms, 20, 6, NOW))
    assert [other.read(term, NOW) for term in terms] == [30, 20, 6]
    assert [one.amount for one in counters.settle(first, 7, 1, NOW).counted] == [7, 0, 0]
    assert [other.read(term, NOW) for term in terms] == [27, 20, 6]
    other.reset([terms[0].key])
    assert [one.amount for one in counters.settle(second, 3, 2, NOW).counted] == [0, 3, 2]
    assert [other.read(term, NOW) for term in terms] == [0, 3, 2]
    other.close()


def test_what_records_have_of_a_call_is_the_same_for_all_calls_of_its_counters(counters: Counters) -> None:
    terms = (
        terms_of("budget", markup_ppm=500_000),
        terms_of("gauge", LimitUnit.CONCURRENCY),
        terms_of("calls", LimitUnit.REQUESTS),
    )
    first, second = (held(counters.hold(terms, cost, 1, NOW)) for cost in (10, 20))
    assert first.gate.counters is second.gate.counters
    assert first.gate.limits is second.gate.limits
    assert (list(first.amounts), list(second.amounts)) == ([15, 1, 1], [30, 1, 1])
    assert (list(second.befores), list(second.added)) == ([15, 1, 1], [30, 1, 1])
    counters.settle(second, 4, 1, NOW)
    assert list(second.amounts) == [6, 1, 1]
