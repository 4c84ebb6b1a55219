"""What a worker learns of deployments from its own calls, and what it is told by the others."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from gantry.board.health import HealthBook
from gantry.core.custom_model import CustomModel
from gantry.gateway.health import Health
from gantry.gateway.kept_rates import KeptRates
from gantry.prices.overrides import parse_overrides
from gantry.prices.rates import Rates
from gantry.prices.table import PriceTable
from gantry.providers.failures import FailureKind
from gantry.routing.balance import Load
from gantry.routing.cooldown import Condition
from tests.routing.boards import attempt

ONE, TWO = attempt("one"), attempt("two")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def workers(tmp_path: Path, clock: Clock) -> Iterator[list[Health]]:
    """Two workers of one machine."""
    books = [HealthBook(tmp_path / "health") for _ in range(2)]
    found = [Health(book, KeptRates(tmp_path)) for book in books]
    for one in found:
        one.clock = clock
    yield found
    for book in books:
        book.close()


def measure(health: Health, *latencies: float) -> float:
    for latency in latencies:
        health.begin(ONE, retry=False)
        health.end(ONE, latency)
    return health.load(ONE).latency


def test_a_slow_call_counts_at_once_and_a_fast_one_as_time_goes_by(workers: list[Health], clock: Clock) -> None:
    assert measure(workers[0], 0.2, 3.0) == 3.0
    assert measure(workers[0], 0.2) == 3.0, "no time has gone by"
    clock.now += 10
    assert measure(workers[0], 0.2) == pytest.approx(0.2 + 2.8 / 2.718, abs=0.01)
    clock.now += 100
    assert measure(workers[0], 0.2) == pytest.approx(0.2, abs=0.01)


def test_who_was_waited_for_in_vain_is_as_slow_as_that_at_least(workers: list[Health]) -> None:
    health = workers[0]
    measure(health, 0.2)
    for waited, latency in ((0.1, 0.2), (5.0, 5.0), (1.0, 5.0)):
        health.begin(ONE, retry=False)
        health.end(ONE, None, waited)
        assert health.load(ONE) == Load(latency, 0)


def test_retries_are_a_fifth_of_the_calls_once_what_was_saved_is_spent(workers: list[Health]) -> None:
    health = workers[0]
    assert [health.may_retry(ONE) for _ in range(12)] == [True] * 10 + [False] * 2
    granted = 0
    for _ in range(100):
        health.begin(ONE, retry=False)
        granted += health.may_retry(ONE)
    assert granted == 20
    assert health.may_retry(TWO)


def test_a_deployment_that_one_worker_finds_dead_is_left_alone_by_the_other(
    workers: list[Health], clock: Clock
) -> None:
    one, other = workers
    one.note_failure(ONE, FailureKind.CREDENTIAL, int(clock.now * 1000), 401)
    assert one.condition(ONE) is Condition.COOLING
    other.watch()
    assert (other.condition(ONE), other.condition(TWO)) == (Condition.COOLING, Condition.WELL)
    clock.now += 60
    assert other.condition(ONE) is Condition.DUE
    assert [other.claim(ONE), one.claim(ONE), other.claim(ONE)] == [True, False, False]
    assert one.condition(ONE) is Condition.COOLING
    one.note_success(ONE, int(clock.now * 1000))
    assert other.condition(ONE) is Condition.WELL


def pass_deadlines(health: Health, clock: Clock, share: float, per_tick: int = 40, ticks: int = 40) -> Condition:
    """Let calls be answered, and a share of them be late: these are all found out by the same tick."""
    for _ in range(ticks):
        late = round(per_tick * share)
        for _ in range(per_tick - late):
            health.begin(ONE, retry=False)
            health.end(ONE, 0.1)
            health.note_success(ONE, int(clock.now * 1000))
        for _ in range(late):
            health.begin(ONE, retry=False)
            health.note_lateness(ONE, int(clock.now * 1000))
            health.end(ONE, None, 1.0)
        if health.condition(ONE) is not Condition.WELL:
            break
        clock.now += 0.25
    return health.condition(ONE)


@pytest.mark.parametrize(
    ("share", "condition"),
    [(0.05, Condition.WELL), (0.2, Condition.WELL), (0.6, Condition.COOLING), (1.0, Condition.COOLING)],
)
def test_calls_that_are_late_together_do_not_make_a_deployment_ill_that_answers_most(
    workers: list[Health], clock: Clock, share: float, condition: Condition
) -> None:
    assert pass_deadlines(workers[0], clock, share) is condition


def test_one_that_falls_silent_is_left_alone_within_seconds(workers: list[Health], clock: Clock) -> None:
    health = workers[0]
    assert pass_deadlines(health, clock, 0.0) is Condition.WELL
    silent_since = clock.now
    assert pass_deadlines(health, clock, 1.0) is Condition.COOLING
    assert clock.now - silent_since < 2.0


def test_a_callers_own_credential_teaches_nothing(workers: list[Health], clock: Clock) -> None:
    theirs = attempt("one", callers=True)
    workers[0].note_failure(theirs, FailureKind.CREDENTIAL, int(clock.now * 1000), 401)
    assert not workers[0].troubled


def test_what_callers_name_does_not_add_up(workers: list[Health]) -> None:
    health = workers[0]
    health.begin(ONE, retry=False)
    for number in range(5000):
        passing = attempt("x", f"model-{number}")
        health.begin(passing, retry=False)
        health.end(passing, 0.1)
    assert len(health._known) <= 4096
    assert health.load(ONE).busy == 1, "what is under way is not forgotten"


def test_what_a_custom_model_costs_is_its_own_price(workers: list[Health]) -> None:
    """For the strategy `cheapest`, and for whoever asks what would happen."""
    health = workers[0]
    health._kept_rates.rates = Rates(parse_overrides('version = "1"'), PriceTable("s", "v", {}))

    def price(custom: CustomModel | None) -> int | None:
        return health.price(structs.replace(ONE, route=structs.replace(ONE.route, custom=custom)))

    named = CustomModel(organization_id="o1", name="mine", base="first", input_price=2_000, output_price=6_000)
    assert price(named) == (3 * 2_000 + 6_000) // 4
    assert price(structs.replace(named, input_price=4_000)) == (3 * 4_000 + 6_000) // 4
    assert price(None) is None
