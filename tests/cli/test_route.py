"""`gantry route explain`: where a call would go by what the home holds now, with the gateway up or down."""

import json
import os
import time
from pathlib import Path

import pytest

from gantry.board.board import FIRST_WORKER_SLOT, Board, State, Word
from gantry.board.health import HealthBook
from gantry.clerk.publish import Publisher
from gantry.core.standing import Standing
from gantry.home import Home, load_keyring
from gantry.store.control import ControlStore
from gantry.store.credentials import credentials_of
from tests.cli.conftest import Run

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _home(run: Run) -> None:
    run("providers", "add", "mistral", "--api-key", "k", "--name", "eu", "--weight", "3")
    run("providers", "add", "mistral", "--api-key", "k", "--name", "us")
    run("providers", "add", "mistral", "--api-key", "k", "--name", "off", "--weight", "0")
    run("providers", "add", "openai", "--api-key", "k")


def run_worker(home: Home) -> None:
    """Let the board say that a worker runs: this process."""
    slot = Board(home.board).slot(FIRST_WORKER_SLOT)
    slot.claim(os.getpid(), time.time_ns())
    slot[Word.STATE] = State.READY


def test_it_is_shown_for_people(run: Run) -> None:
    told = run("route", "explain", "mistral/mistral-small-latest", "--fallback", "openai/gpt-4o").stdout.splitlines()
    assert told[0] == "first: mistral/mistral-small-latest (strategy weighted, affinity auto)"
    assert [line.split() for line in told[1:4]] == [
        ["PROVIDER", "CREDENTIAL", "MODEL", "TIER", "WEIGHT", "SHARE", "CONDITION"],
        ["mistral", "eu", "mistral-small-latest", "adapt", "3", "75%", "well"],
        ["mistral", "us", "mistral-small-latest", "adapt", "1", "25%", "well"],
    ]
    assert told[4] == "  left out: mistral/off: its weight is 0"
    assert told[5].startswith("fallback: openai/gpt-4o")
    assert told[8:10] == ["no retries", "if each attempt failed for a passing reason:"]
    assert [line.split(" (")[0] for line in told[10:]] == [
        "  1. mistral/us mistral-small-latest",
        "  2. mistral/eu mistral-small-latest",
        "  3. openai/default gpt-4o",
    ]


def test_it_knows_the_rules_and_how_deployments_stand(run: Run, home_path: Path, tmp_path: Path) -> None:
    run("groups", "set", "fast", "mistral/mistral-small-latest=3:eu", "openai/gpt-4o=1", "--strategy", "cheapest")
    run("routing", "retries", "--count", "2", "--pause", "0.5")
    home = Home(home_path)
    with ControlStore(home.control_db) as control, control.reading() as connection:
        eu = next(one.id for one in credentials_of(connection) if one.name == "eu")
    book = HealthBook(home.health)
    book.change(f"{eu}/mistral-small-latest", lambda _: Standing(900, 1, 1, 1 << 60))
    (tmp_path / "request.json").write_text(json.dumps({"load_balance_group": {"group_id": "fast"}, "messages": []}))
    argv = ("route", "explain", "--request", str(tmp_path / "request.json"), "--json")
    stopped = json.loads(run(*argv).stdout)["choices"][0]["deployments"]
    assert {one["condition"] for one in stopped} == {"well"}, "the next start begins anew"
    run_worker(home)
    told = json.loads(run(*argv).stdout)
    (choice,) = told["choices"]
    assert (choice["asked"], choice["strategy"]) == ("fast", "cheapest")
    assert [(one["credential"], one["condition"], one["share"]) for one in choice["deployments"]] == [
        ("eu", "cooling", 0.0),
        ("default", "well", 1.0),
    ]
    assert {(one["credential"], one["reason"]) for one in choice["left_out"]} == {
        ("us", "the group names another"),
        ("off", "its weight is 0"),
    }
    assert [(one["credential"], one["step"]) for one in told["attempts"]] == [
        ("default", "first"),
        ("default", "retry"),
        ("default", "retry"),
    ]


def test_a_secret_of_the_gateways_environment_need_not_be_in_ours(run: Run, home_path: Path) -> None:
    run("providers", "add", "anthropic", "--name", "env", "--api-key-env", "SOME_KEY")
    claude = ("route", "explain", "anthropic/claude-sonnet-4-5")
    assert "env" in run(*claude, SOME_KEY="k").stdout
    missing = run(*claude, code=1)
    assert "anthropic/env is left out: $SOME_KEY is not set" in missing.stderr
    home = Home(home_path)
    with ControlStore(home.control_db) as control:
        Publisher(home, load_keyring(home), control, {"SOME_KEY": "k"}, granted=dict).publish()  # as its clerk does
    run_worker(home)
    assert "env" in run(*claude).stdout


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        ((), 2, "give a MODEL, --group or --request"),
        (("anthropic/claude-sonnet-4-5",), 1, "the call would be refused with 503: no credential for Anthropic"),
        (("--group", "none"), 1, "which is no group of yours"),
        (("mistral/x", "--path", "/api/request-logs/"), 1, "is no path that a model is called by"),
    ],
)
def test_what_cannot_be_is_said(run: Run, argv: tuple[str, ...], code: int, says: str) -> None:
    done = run("route", "explain", *argv, code=code)
    assert says in done.stderr
    assert done.stdout == ""
