"""A node after use: it tells every metric that dashboard and alerts name, and its home is what the docs say."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from gantry.home import Home
from tests.deploy.scraped import Asked, Scrape, asked_by
from tests.e2e.node import Node, await_true, running_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
ROW = re.compile(r"^\| ((?:`[^`]+`(?:, )?)+) \| (.*)$", re.MULTILINE)
NAME = re.compile(r"`([^`]+)`")
CACHED = {
    "model": "mistral/mistral-small-latest",
    "messages": [{"role": "user", "content": "hi"}],
    "cache_enabled": True,
}


class Used(NamedTuple):
    node: Node
    scrape: Scrape


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Used]:
    """A node after calls, one of them cached and one that failed, and what it told a key that may read."""
    with running_node(tmp_path_factory.mktemp("used")) as node:
        body = json.dumps(CACHED).encode()
        assert [node.ask("/api/chat/completions", body=body)[0] for _ in range(2)] == [200, 200]
        failing = {**CACHED, "model": "mistral/mistral-small-latest--sim-status-500"}
        assert node.ask("/api/chat/completions", body=json.dumps(failing).encode())[0] >= 500
        node.await_stored()
        reader = node.gantry("keys", "create", "prometheus", "--scope", "read").stdout.split()[-1]
        await_true(lambda: b'outcome="success"' in node.ask("/metrics", key=reader)[1], "figures of the models")
        await_true((node.home / "console.sock").exists, "a console")
        yield Used(node, Scrape(node.ask("/metrics", key=reader)[1].decode()))


def expressions() -> Iterator[tuple[str, str, str]]:
    """Yield where an expression stands, the expression, and the text that is shown with it."""
    for group in yaml.safe_load((MONITORING / "gantry.rules.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"], rule["annotations"]["summary"]
    dashboard = json.loads((MONITORING / "gantry.dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"], target["legendFormat"]
    for variable in dashboard["templating"]["list"]:
        yield variable["name"], variable["query"], ""


def test_what_dashboard_and_alerts_ask_for_is_told(used: Used) -> None:
    scrape = used.scrape
    lacking = {
        (where, lack)
        for where, expression, _ in expressions()
        for asked in asked_by(expression)
        if (lack := scrape.lacks(asked))
    }
    assert lacking == set()
    assert len({asked.metric for _, expression, _ in expressions() for asked in asked_by(expression)}) > 40


def test_a_name_that_is_not_told_would_be_found(used: Used) -> None:
    scrape = used.scrape
    assert scrape.lacks(Asked("gantry_call_total", frozenset(), {})) == "gantry_call_total is not told"
    (asked,) = asked_by('sum by (customer) (rate(gantry_model_calls_total{outcome="happy"}[5m]))')
    assert scrape.lacks(asked) == "gantry_model_calls_total has no label customer"
    assert scrape.lacks(asked._replace(labels=frozenset())) == "gantry_model_calls_total has no outcome=happy"


def named_in_the_table() -> dict[str, str]:
    """Return the names in the first column of the table of the home, with the rest of their rows."""
    text = (ROOT / "docs" / "operations.md").read_text()
    section = text[text.index("## The home directory") : text.index("## Configuration")]
    rows = [(name, rest) for names, rest in ROW.findall(section) for name in NAME.findall(names)]
    assert len(rows) == len(dict(rows)), "a name has two rows"
    return dict(rows)


def test_every_file_of_a_home_is_in_the_documentation(used: Used) -> None:
    home = used.node.home
    rows = {name.rstrip("/"): rest for name, rest in named_in_the_table().items()}
    beside = ("control.db-wal", "control.db-shm", "logs.db-wal", "logs.db-shm")  # which the text names
    assert sorted(path.name for path in home.iterdir() if path.name not in (*rows, *beside)) == []
    kept = [path.name for path in (home / "cache").iterdir()]
    assert [name for name in kept if f"`{name}/`" not in rows["cache"] and not fnmatch(name, "prices-*")] == []
    assert "responses" in kept


def test_every_path_that_the_code_knows_is_in_the_documentation_and_no_other(tmp_path: Path) -> None:
    home = Home(tmp_path)
    known = {path.name for path in vars(home).values() if path.parent == home.path}
    locks = {"clerk.lock", "move.lock", "rotation.lock", "supervisor.lock", home.console_socket.name}
    assert known | locks == {name.rstrip("/") for name in named_in_the_table()}
