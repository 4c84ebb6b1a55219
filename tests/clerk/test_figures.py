"""What was stored, added up for `/metrics`: by model, within bounds, and only calls of the gateway's."""

from pathlib import Path

import pytest

from gantry.board.model_figures import BOUNDS_NS, ModelFigures, read_figures, write_figures
from gantry.clerk.figures import OTHER, Tally
from gantry.core.usage import Usage
from gantry.core.vocabulary import LogMethod, Outcome
from tests.store.logs_of_tests import ORGANIZATION, make_log
from tests.store.logs_of_tests import OTHER as ANOTHER

SECOND = 1_000_000_000


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def told(path: Path, organization_id: str = ORGANIZATION) -> dict[str, ModelFigures]:
    return {one.model: one for one in read_figures(path, organization_id)}


def test_calls_are_added_up_by_model(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "figures", clock=Clock())
    usage = Usage(input_tokens=10, cached_input_tokens=4, output_tokens=3, reasoning_tokens=1)
    call = make_log("1", model="m", provider_id="p", usage=usage, cost=7, latency=SECOND, time_to_first_token=2)
    failed = make_log("2", model="m", provider_id="p", outcome=Outcome.TIMEOUT, latency=1000 * SECOND)
    elsewhere = make_log("3", model="m", provider_id="p", log_method=LogMethod.LOGGING_API, outcome=Outcome.LOGGED)
    tally.add([call, call, failed, elsewhere, make_log("4", model="n", organization_id=ANOTHER)])
    tally.write_if_due()
    (figures,) = told(tmp_path / "figures").values()
    assert (figures.provider, figures.outcomes) == ("p", {"success": 2, "timeout": 1})
    assert (figures.tokens, figures.cost) == ([20, 8, 6, 2], 14)
    assert figures.latency.counts[BOUNDS_NS.index(SECOND)] == 2
    assert (figures.latency.counts[-1], figures.latency.total) == (1, 1002 * SECOND)
    assert (figures.time_to_first_token.counts[0], sum(figures.time_to_first_token.counts)) == (2, 2)
    assert list(told(tmp_path / "figures", ANOTHER)) == ["n"]


def test_names_that_callers_make_up_count_as_one(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "figures", clock=Clock(), most=2)
    refused = [make_log(str(number), model=f"made up {number}", outcome=Outcome.REFUSED) for number in range(9)]
    tally.add([*refused, *(make_log(name, model=name) for name in ("a", "b", "c"))])
    tally.write_if_due()
    figures = told(tmp_path / "figures")
    assert {name: sum(one.outcomes.values()) for name, one in figures.items()} == {"a": 1, "b": 1, OTHER: 10}


def test_what_changed_is_told_now_and_then(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, clock = tmp_path / "figures", Clock()
    write_figures(path, {ORGANIZATION: [ModelFigures("", "of the clerk before")]})
    tally = Tally(path, clock=clock)
    tally.write_if_due()
    assert told(path) == {}
    tally.add([make_log("1", model="m")])
    tally.write_if_due()
    assert told(path) == {}
    clock.now += 2
    tally.write_if_due()
    assert list(told(path)) == ["m"]
    path.unlink()
    clock.now += 2
    tally.write_if_due()
    assert not path.exists()
    tally.add([make_log("2", model="m")])
    path.mkdir()
    for _ in range(3):
        tally.write_if_due()
        tally.add([make_log("2", model="m")])
        clock.now += 2
    assert caplog.text.count("cannot be written") == 1, "it is said once, not every second"
