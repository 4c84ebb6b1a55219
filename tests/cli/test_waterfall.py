"""The attempts of a log as lines: when, what became of each, and why."""

import json
from itertools import product
from pathlib import Path

import msgspec
import pytest

from gantry.cli.log_view import line_of, view_log
from gantry.cli.table import print_table
from gantry.cli.waterfall import waterfall_of
from gantry.core.logged_attempt import LoggedAttempt
from gantry.home import Home
from gantry.routing.balance import Reason
from gantry.routing.itinerary import StepKind
from gantry.store.control import ControlStore, default_organization
from gantry.store.logs import LogStore, RecordBatch
from tests.cli.conftest import Run
from tests.cli.test_logs import make_log
from tests.console.test_attempt_items import HEDGED

FAILED = (
    '[{"provider_id":"mistral","credential_id":"c1","credential_name":"one","upstream_model":"small","tier":"relay",'
    '"status":503,"outcome":"upstream_error","error":"too\\nbusy","duration":100000000,"began":0,"step":"first",'
    '"reason":"affinity","share":0.5,"condition":"well"},'
    '{"provider_id":"mistral","credential_id":"c1","credential_name":"one","upstream_model":"small","tier":"relay",'
    '"status":200,"outcome":"success","duration":100000000,"began":300000000,"step":"retry","reason":"only",'
    '"share":1.0,"condition":"cooling"}]'
)


def test_a_call_that_was_hedged() -> None:
    assert list(waterfall_of(make_log("a", attempts=HEDGED))) == [
        "  0.001s  ━━━━━━━━━···········    0.900s    -  cancelled       mistral/small (first)  "
        "first: drawn by weight (75% of the weights)  about $0.000500  another attempt was faster",
        "  0.500s  ·····━━━━━━━━━━━━━━━    1.500s  200  success         anthropic/claude (second)  "
        "a hedge beside it: the only one, though it was cooling  $0.001250",
    ]


def test_a_call_that_was_tried_again() -> None:
    first, second = waterfall_of(make_log("a", attempts=FAILED))
    assert first.endswith("first: where its conversation is (50% of the weights)  too busy")
    assert "━━━━━···············" in first
    assert "···············━━━━━" in second
    assert second.endswith("the same again: the only one, though it was cooling")


def test_a_call_without_a_choice_and_a_call_without_attempts() -> None:
    plain = '[{"provider_id":"mistral","credential_id":"c","credential_name":"main","outcome":"success","status":200}]'
    assert list(waterfall_of(make_log("a", attempts=plain))) == [
        "  0.000s  ━━━━━━━━━━━━━━━━━━━━    0.000s  200  success         mistral/ (main)"
    ]
    assert list(waterfall_of(make_log("a"))) == []


def test_show_prints_them_beside_the_json(run: Run, home_path: Path) -> None:
    home = Home(home_path)
    home.prepare()
    with ControlStore(home.control_db) as control, control.reading() as connection:
        organization = default_organization(connection)
    logs = LogStore(home.logs_db)
    log = make_log("a", organization, attempts=HEDGED)
    logs.record(RecordBatch(logs=[log]))
    logs.close()
    result = run("logs", "show", "a")
    assert result.stderr.splitlines() == list(waterfall_of(log))
    attempts = json.loads(result.stdout)["attempts"]
    assert attempts == json.loads(json.dumps(view_log(log)["attempts"]))
    assert [(one["step"], one["began"], one.get("status")) for one in attempts] == [
        ("first", 0.001, None),
        ("hedge", 0.5, 200),
    ]


def test_every_step_and_reason_has_words() -> None:
    for step, reason in product(StepKind, Reason):
        attempt = LoggedAttempt("mistral", "c", "main", outcome="success", step=step, reason=reason)
        (line,) = waterfall_of(make_log("a", attempts=msgspec.json.encode([attempt]).decode()))
        assert not line.endswith(f": {reason}"), line
        assert f"  {step}: " not in line or step is StepKind.FIRST, line


def test_what_callers_and_providers_wrote_is_only_shown() -> None:
    """An escape among it would be the terminal's to obey: to clear it, to retitle it, to hide a line."""
    evil = "\x1b[2J\x9b2J\u202egpt"
    attempt = LoggedAttempt("mistral", "c", "main", evil, outcome="upstream_error", error=f"no {evil}")
    (line,) = waterfall_of(make_log("a", attempts=msgspec.json.encode([attempt]).decode(), model=evil))
    assert line.isprintable()
    assert "\ufffd[2J\ufffd2J\ufffdgpt" in line
    assert line_of(make_log("a", model=evil)).isprintable()


def test_a_table_shows_its_cells_in_their_columns(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("A", "B"), [("x\x1b[31m\ny", "z")])
    assert capsys.readouterr().out == "A         B\nx\ufffd[31m\ufffdy  z\n"
