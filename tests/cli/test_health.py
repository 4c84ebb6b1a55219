"""`gantry health`: by the names of credentials, with a gateway and without one."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gantry.board.board import FIRST_WORKER_SLOT, Board, State, Word
from gantry.board.health import HealthBook
from gantry.core.standing import UNTOUCHED, Standing
from gantry.home import Home
from gantry.store.control import ControlStore
from gantry.store.credentials import credentials_of
from tests.cli.conftest import Run

NOT_RUNNING = "No gateway is running here: what one knows of deployments begins anew with `gantry serve`.\n"
FAILED_AT = 1_795_000_000


@pytest.fixture
def home(run: Run, home_path: Path) -> Home:
    """A home with the credentials mistral/one and mistral/two."""
    for name in ("one", "two"):
        run("providers", "add", "mistral", "--name", name, "--api-key", f"k-{name}")
    return Home(home_path)


@pytest.fixture
def book(home: Home) -> Iterator[HealthBook]:
    """What a gateway knows that runs: mistral/one's small model cools, mistral/two's is due."""
    slot = Board(home.board).slot(FIRST_WORKER_SLOT)
    slot.claim(os.getpid(), time.time_ns())
    slot[Word.STATE] = State.READY
    book = HealthBook(home.health)
    now = time.monotonic_ns() // 1_000_000
    cooling = Standing(failing=672, cooldowns=2, since=now, until=now + 60_000, status=503, failed_at=FAILED_AT)
    book.change(f"{ids(home)['one']}/small", lambda _: cooling)
    book.change(f"{ids(home)['two']}/small", lambda _: Standing(200, 1, 1, 2, 0, FAILED_AT))
    yield book
    book.close()


def ids(home: Home) -> dict[str, str]:
    with ControlStore(home.control_db) as control, control.reading() as connection:
        return {one.name: one.id for one in credentials_of(connection)}


@pytest.fixture
def before() -> int:
    return int(time.time())


def test_a_table_for_people(run: Run, before: int, book: HealthBook) -> None:
    lines = run("health", "list").stdout.splitlines()
    after = int(time.time())
    assert lines[0].split() == ["DEPLOYMENT", "CONDITION", "FAILING", "COOLDOWNS", *"LAST STATUS LAST FAILED".split()]
    ends = {time.strftime("%H:%M:%SZ", time.gmtime(second + 60)) for second in range(before - 1, after + 2)}
    first = lines[1].split()
    assert first[3] in ends
    assert first[:3] + first[4:] == [
        "mistral/one/small", "cooling", "until", "67", "%", "2", "503", "2026-11-18T11:06:40.000Z",
    ]  # fmt: skip
    assert lines[2].split("  ")[0] == "mistral/two/small"
    assert "due for a probe" in lines[2]
    assert "no answer" in lines[2]
    assert len(lines) == 3


def test_objects_for_programs(run: Run, home: Home, book: HealthBook) -> None:
    book.change("0" * 32 + "/gone", lambda _: Standing(failing=200))
    found = {one["deployment"]: one for one in json.loads(run("health", "list", "--json").stdout)}
    assert set(found) == {"mistral/one/small", "mistral/two/small", "0" * 32 + "/gone"}
    one = found["mistral/one/small"]
    assert (one["provider_id"], one["credential_name"], one["model"]) == ("mistral", "one", "small")
    assert (one["condition"], one["last_status"]) == ("cooling", 503)
    assert found["0" * 32 + "/gone"]["credential_name"] is None
    assert "its credential was removed" in run("health", "list").stdout
    assert ids(home)["one"] not in run("health", "list").stdout


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (("mistral/one/small",), {"two"}),
        (("mistral/one",), {"two"}),
        (("mistral",), set()),
        (("--all",), set()),
    ],
)
def test_what_is_reset_is_well(run: Run, home: Home, book: HealthBook, words: tuple[str, ...], left: set[str]) -> None:
    result = run("health", "reset", *words)
    assert result.stdout == ""
    assert "Reset: " in result.stderr
    known = {name for name, ident in ids(home).items() if book.standing(f"{ident}/small") != UNTOUCHED}
    assert known == left


def test_what_is_not_known_or_not_said(run: Run, book: HealthBook) -> None:
    assert "nothing is known of mistral/three" in run("health", "reset", "mistral/three", code=1).stderr
    for words in ((), ("mistral", "--all")):
        assert "say which deployment" in run("health", "reset", *words, code=2).stderr
    assert len(list(book.all())) == 2


def test_a_gateway_that_does_not_run_knows_nothing(run: Run, home: Home) -> None:
    assert not home.health.exists()
    result = run("health", "list", "--json")
    assert (result.stdout, result.stderr) == ("[]\n", NOT_RUNNING)
    for words in (("mistral/one",), ("--all",)):
        assert run("health", "reset", *words).stderr == NOT_RUNNING
    assert not home.health.exists(), "a question leaves nothing behind"


def test_what_a_gateway_left_behind_is_not_told(run: Run, home: Home, book: HealthBook) -> None:
    Board(home.board).slot(FIRST_WORKER_SLOT).release()
    assert json.loads(run("health", "list", "--json").stdout) == []
    assert "deployments " not in run("status").stdout


def test_status_says_that_something_is_cooling(run: Run, book: HealthBook) -> None:
    assert "deployments 1 is cooling; see `gantry health list`" in run("status").stdout
    assert json.loads(run("status", "--json").stdout)["deployments_cooling"] == 1
    run("health", "reset", "--all")
    assert "deployments " not in run("status").stdout
    assert json.loads(run("status", "--json").stdout)["deployments_cooling"] == 0
