"""`gantry cache`: listed, measured, cleared."""

import json
from pathlib import Path
from time import time_ns

import pytest

from gantry.board.answers import AnswerCache, KeptAnswer
from gantry.home import Home, load_keyring
from gantry.store.cached_answers import AnswerGiven, AnswerKept, CacheChanges
from gantry.store.control import ControlStore, default_organization
from gantry.store.logs import LogStore, RecordBatch
from tests.cli.conftest import Run
from tests.cli.test_logs import make_log

HOUR = 3_600_000_000_000


@pytest.fixture
def kept(home_path: Path) -> tuple[AnswerCache, str]:
    """Two answers, one of which was given once more, and the organization."""
    home = Home(home_path)
    home.prepare()
    keyring = load_keyring(home, create=True)
    with ControlStore(home.control_db) as control, control.reading() as connection:
        organization = default_organization(connection)
    answers = AnswerCache(home.responses, keyring.responses, keyring.response_names)
    logs, now = LogStore(home.logs_db), time_ns()
    rows = []
    for number in range(2):
        name = answers.name(organization, b"%d" % number)
        answers.keep(organization, name, KeptAnswer("application/json", b"x" * 1000, now, now + HOUR))
        rows.append(AnswerKept(organization, name, f"log{number}", "m", now + number, now + HOUR))
    logs.record(
        RecordBatch(
            logs=[make_log("log1", organization, input='[{"role":"user","content":"how\\nmuch?"}]')],
            cache=CacheChanges(
                kept=rows, given=[AnswerGiven(organization, rows[1].cache_key, now + 9, 1_500_000, 7, 2_000_000_000)]
            ),
        )
    )
    logs.close()
    return answers, organization


def test_the_list_shows_what_hits_saved(run: Run, kept: tuple[AnswerCache, str]) -> None:
    told = run("cache", "list")
    lines = told.stdout.splitlines()
    assert len(lines) == 3
    assert lines[1].split()[1:4] == ["1", "$0.001500", "m"]
    assert lines[1].endswith("how much?")
    assert told.stderr == "2 of 2\n"
    (item,) = map(json.loads, run("cache", "list", "--json", "-n", "1").stdout.splitlines())
    assert (item["hit_count"], item["prompt_messages"][0]["role"]) == (1, "user")


def test_the_stats_count_files_and_savings(run: Run, kept: tuple[AnswerCache, str]) -> None:
    view = json.loads(run("cache", "stats", "--json").stdout)
    assert (view["files"], view["entries"], view["hits"], view["saved_cost"]) == (2, 2, 1, 0.0015)
    assert (view["saved_tokens"], view["saved_seconds"], view["limit"]) == (7, 2.0, 512 << 20)
    assert 2000 < view["bytes"] < 3000
    assert run("cache", "stats", GANTRY_RESPONSE_CACHE_BYTES="1000000").stdout.startswith(
        "2 answers in 0.0 MB, of 1 MB"
    )


def test_clearing_deletes_files_and_rows(run: Run, kept: tuple[AnswerCache, str]) -> None:
    answers, organization = kept
    one = json.loads(run("cache", "list", "--json").stdout.splitlines()[0])
    assert run("cache", "clear", "--id", str(one["id"])).stderr == "Deleted 1.\n"
    assert not answers.holds(organization, one["cache_key"])
    assert answers.measure(organization)[0] == 1
    assert "not there" in run("cache", "clear", "--id", "999", code=1).stderr
    assert run("cache", "clear").stderr == "Deleted 1.\n"
    assert answers.measure(organization)[0] == 0
    assert run("cache", "list", "--json").stdout == ""
