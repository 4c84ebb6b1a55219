"""`gantry logs`: what is stored, as lines for people and objects for programs."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from gantry.cli.log_view import line_of, view_log
from gantry.core.request_log import RequestLog
from gantry.core.usage import Usage
from gantry.core.vocabulary import Environment, LogMethod, Outcome
from gantry.home import Home
from gantry.store.control import ControlStore, default_organization
from gantry.store.logs import LogStore, RecordBatch
from tests.cli.conftest import Run

MORNING = 1_763_798_400_000_000_000  # 2025-11-22T08:00:00Z


def make_log(log_id: str, organization: str = "o", **fields: Any) -> RequestLog:
    values: dict[str, Any] = {
        "key_id": "key",
        "environment": Environment.PROD,
        "log_method": LogMethod.INFERENCE,
        "outcome": Outcome.SUCCESS,
        "status_code": 200,
        "started_at": MORNING,
        "ended_at": MORNING + 1_500_000_000,
    }
    return RequestLog(log_id=log_id, organization_id=organization, **(values | fields))


@pytest.fixture
def stored(home_path: Path) -> None:
    home = Home(home_path)
    home.prepare()
    with ControlStore(home.control_db) as control, control.reading() as connection:
        organization = default_organization(connection)
    logs = LogStore(home.logs_db)
    first = make_log(
        "a",
        organization,
        model="mistral-small-latest",
        cost=1_000_000,
        cost_by_unit='{"input_tokens":400000,"output_tokens":600000}',
        latency=1_200_000_000,
        usage=Usage(input_tokens=10, output_tokens=5),
        customer_identifier="user_123",
        metadata='{"team": "red"}',
        output='{"role":"assistant","content":"hi"}',
    )
    second = make_log(
        "b", organization, outcome=Outcome.UPSTREAM_ERROR, status_code=503, started_at=MORNING + 3600 * 10**9
    )
    logs.record(RecordBatch(logs=[first, second, make_log("c", "another")]))
    logs.close()


def _ids(result: Result) -> list[str]:
    return [json.loads(line)["log_id"] for line in result.stdout.splitlines()]


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), ["b", "a"]),
        (("--sort", "id"), ["a", "b"]),
        (("--customer", "user_123"), ["a"]),
        (("--model", "mistral-small-latest"), ["a"]),
        (("--outcome", "upstream_error"), ["b"]),
        (("--where", "status_code=503"), ["b"]),
        (("--where", "metadata__team=red"), ["a"]),
        (("--env", "test"), []),
        (("--since", "2025-11-22T08:30:00Z"), ["b"]),
        (("--until", "2025-11-22T08:30:00"), ["a"]),
        (("--since", "1h"), []),
        (("--limit", "1", "--page", "2"), ["a"]),
        (("--search", "hi"), ["a"]),
        (("--search", "hi", "--env", "test"), []),
        (("--filter", '{"cost":{"operator":"gte","value":[0.001]}}'), ["a"]),
        (("--filter", '{"cost":{"operator":"gte","value":[0.001]}}', "--outcome", "upstream_error"), []),
    ],
)
def test_list(run: Run, arguments: tuple[str, ...], expected: list[str]) -> None:
    assert _ids(run("logs", "list", "--json", *arguments)) == expected


@pytest.mark.usefixtures("stored")
def test_a_log_is_one_line(run: Run) -> None:
    result = run("logs", "list")
    assert result.stdout.splitlines()[1].split() == [
        "2025-11-22T08:00:00.000Z",
        "200",
        "success",
        "mistral-small-latest",
        "10→5",
        "$0.001000",
        "1.20s",
        "a",
    ]
    assert result.stderr == "2 of 2\n"


@pytest.mark.usefixtures("stored")
def test_show(run: Run) -> None:
    shown = json.loads(run("logs", "show", "a").stdout)
    assert (shown["cost"], shown["latency"], shown["started_at"]) == (0.001, 1.2, "2025-11-22T08:00:00.000Z")
    assert (shown["metadata"], shown["output"]["content"]) == ({"team": "red"}, "hi")
    assert shown["usage"] == {"input_tokens": 10, "output_tokens": 5}
    assert shown["cost_by_unit"] == {"input_tokens": 0.0004, "output_tokens": 0.0006}
    assert "no log has the id 'c'" in run("logs", "show", "c", code=1).stderr


@pytest.mark.usefixtures("stored")
def test_tail_prints_the_last_in_order_of_arrival(run: Run) -> None:
    assert _ids(run("logs", "tail", "--json")) == ["a", "b"]
    assert _ids(run("logs", "tail", "--json", "-n", "1")) == ["b"]
    assert run("logs", "tail", "-n", "0").stdout == ""


@pytest.mark.usefixtures("stored")
def test_tail_follows_what_is_stored(run: Run, home_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ControlStore(Home(home_path).control_db) as control, control.reading() as connection:
        organization = default_organization(connection)
    turns = iter(["c", "d"])

    def sleep(_seconds: float) -> None:
        log_id = next(turns, None)
        if log_id is None:
            raise KeyboardInterrupt
        logs = LogStore(Home(home_path).logs_db)
        logs.record(RecordBatch(logs=[make_log(log_id, organization)]))
        logs.close()

    monkeypatch.setattr("gantry.cli.logs.pause", sleep)
    assert _ids(run("logs", "tail", "--follow", "--json")) == ["a", "b", "c", "d"]


def test_an_empty_home_has_no_logs(run: Run) -> None:
    assert run("logs", "list").stdout == ""
    assert run("logs", "tail").stdout == ""


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--where", "modle=x"), 1, "no field `modle` to filter by. Did you mean `model`?"),
        (("--filter", "{"), 2, "--filter takes JSON"),
        (("--filter", '{"model":{"operator":"like","value":["x"]}}'), 1, "unknown operator `like`"),
        (("--where", "model"), 2, "--where takes FIELD=VALUE"),
        (("--where", "status_code=x"), 1, "needs a number, not 'x'"),
        (("--sort", "-prize"), 1, "no field `prize`"),
        (("--since", "yesterday"), 2, "neither a span like 30d nor a time"),
    ],
)
def test_what_is_wrong_is_said(run: Run, arguments: tuple[str, ...], code: int, message: str) -> None:
    assert message in run("logs", "list", *arguments, code=code).stderr


def test_a_view_is_in_dollars_and_shows_limits_as_what_they_are() -> None:
    info = '{"is_allowed":true,"limits":[]}'
    view = view_log(make_log("a", cost=10**9, charged=12 * 10**8, customer_cost=15 * 10**8, limit_info=info))
    assert (view["cost"], view["charged"], view["customer_cost"]) == (1.0, 1.2, 1.5)
    assert view["limit_info"] == {"is_allowed": True, "limits": []}


def test_a_view_keeps_what_is_no_json_and_no_text() -> None:
    log = make_log(
        "a",
        output="plain words",
        full_request=b'{"a": 1}',
        full_response=b"\xff\x00",
        usage=Usage(input_audio_seconds=Decimal("1.5")),
    )
    view = view_log(log)
    assert (view["output"], view["full_request"], view["full_response"]) == (
        "plain words",
        '{"a": 1}',
        "base64:/wA=",
    )
    assert "cost" not in view
    assert "?" in line_of(make_log("a", price_missing=True))
