"""Three machines through a bad night, under load: an upgrade across a migration, one cut off from the database, Redis
frozen, one killed. Answered and seen by providers is on record, once; budgets are exact where Redis is.

`GANTRY_FLEET_SECONDS=120 scripts/test tests/fleet` runs it, and says how long the database is cut off. It is no part of
a plain run: a network that changes makes chromium fail what it is loading in the tests of pages beside it.
"""

import json
import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

pytest.importorskip("redis", reason="the extra `redis` is not installed")

from gantry.store.control_tables import CONTROL
from gantry.store.log_tables import LOGS
from tests.board.test_shared_counters import SERVER
from tests.e2e.node import SECONDS, await_true
from tests.e2e.traffic import Account
from tests.fleet.fleet import NAME, Callers, FleetNode, take_account
from tests.fleet.network import DATABASE, PROVIDERS, network, why_not
from tests.fleet.services import Redis, reached_by_network, start_providers
from tests.postgresql import create_database, server_of

REASON = why_not() if "GANTRY_FLEET_SECONDS" in os.environ else "it is run by GANTRY_FLEET_SECONDS=120"
pytestmark = [
    pytest.mark.skipif(REASON is not None, reason=REASON or ""),
    pytest.mark.skipif(SERVER is None, reason="there is no redis-server here"),
    pytest.mark.slow,
    pytest.mark.timeout(1200),
]

ROOT = Path(__file__).resolve().parents[2]
CUT_SECONDS = float(os.environ.get("GANTRY_FLEET_SECONDS", "0"))
CALLERS = 9
BUDGET = 100  # calls of a cent
_BUDGETS = "".join(
    f'\n[[models]]\nname = "{name}"\nbase = "mistral/mistral-small-latest"\noutput_cost = 1000.0\ninput_cost = 0.0\n'
    f'\n[[limits]]\nname = "budget of {name}"\nmodel = "{name}"\ncost = 1.0\n'
    for name in ("shared", "alone")
)
_MARKER = re.compile(r"marker-[0-9]+-[0-9]+")


class Fleet(NamedTuple):
    nodes: list[FleetNode]
    redis: Redis
    providers: int  # their port
    database: str
    old: Path | None  # the source of the version before the newest migration


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with ExitStack() as stack:
        machines = stack.enter_context(network(3))
        server = stack.enter_context(server_of(tmp_path / "postgresql")).get_uri()
        database = create_database(server, NAME)
        socket = Path(re.findall(r"host=([^&]+)", server)[0]) / ".s.PGSQL.5432"
        stack.enter_context(reached_by_network(socket))
        redis = Redis(tmp_path / "redis.log")
        stack.callback(redis.end)
        providers = start_providers(tmp_path / "providers.log")
        stack.callback(providers.kill)
        nodes = []
        for number, machine in enumerate(machines):
            nodes.append(FleetNode(tmp_path / str(number), machine, providers.port, _BUDGETS))
            stack.callback(nodes[-1].kill)
        yield Fleet(nodes, redis, providers.port, database, source_before_the_last_migration(tmp_path / "old"))


def source_before_the_last_migration(folder: Path) -> Path | None:
    """Return the source of the commit before the newest revision of the logs; None where the history is not here."""
    revision = f"src/gantry/store/migrations/logs/{LOGS.head}.py"
    added = _git("log", "--diff-filter=A", "--format=%H", "--", revision).split()
    if not added or not _git("rev-parse", "--verify", "--quiet", f"{added[-1]}^"):
        return None
    folder.mkdir()
    archive = subprocess.run(("git", "archive", f"{added[-1]}^", "src"), cwd=ROOT, capture_output=True, check=True)
    subprocess.run(("tar", "-x", "-C", str(folder)), input=archive.stdout, check=True)
    return folder / "src"


def _git(*words: str) -> str:
    return subprocess.run(("git", *words), cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def test_a_bad_night(fleet: Fleet) -> None:
    nodes = fleet.nodes
    for node in nodes:
        node.start(fleet.old)
    key = nodes[0].gantry("keys", "create", "fleet", source=fleet.old).split()[-1]
    for node in nodes:
        await_true(lambda node=node: node.ask("/api/models", key)[0] == 200, "the key, everywhere")  # type: ignore[misc]
    callers = Callers(nodes, key, streams=6, calls=CALLERS - 6)
    callers.start()
    try:
        await_all(callers)
        for number, node in enumerate(nodes):  # old and new side by side, across the migration
            node.drain()
            node.start()
            callers.await_more(20, by=number)
        await_true(lambda: revisions(fleet) == (CONTROL.head, LOGS.head), "the tables of the new version")

        nodes[1].machine.cut(DATABASE)
        ends = time.monotonic() + CUT_SECONDS
        while time.monotonic() < ends:
            callers.await_more(10, by=1)
        assert nodes[1].status()["clerk"]["lag"] != 0  # it may not even be known
        nodes[1].machine.mend(DATABASE)

        fleet.redis.freeze()
        await_all(callers)
        fleet.redis.thaw()
        await_all(callers)

        await_true(lambda: nodes[2].status()["workers"][0]["in_flight"], "calls in the middle of their answers")
        nodes[2].kill()
        callers.await_more(50)
        nodes[2].start()
        callers.await_more(20, by=2)
    finally:
        callers.stop()

    account = account_of(fleet, callers)
    account.check_nothing_lost()
    failed = callers.failed()
    assert {callers.answered_by[one.marker] for one in failed} <= {2}, failed
    assert all(not one.complete for one in failed), failed
    assert len(failed) <= CALLERS
    account.check_crashed()
    looked_at = {one["subject"]: one["verdict"] for one in json.loads(nodes[0].gantry("doctor", "--json"))}
    assert looked_at["books"] == "ok"


def test_budgets_are_exact_where_redis_is_and_bounded_where_it_is_not(fleet: Fleet) -> None:
    for node in fleet.nodes:
        node.start()
    key = fleet.nodes[0].gantry("keys", "create", "fleet").split()[-1]
    for node in fleet.nodes:
        await_true(lambda node=node: node.ask("/api/models", key)[0] == 200, "the key, everywhere")  # type: ignore[misc]
    assert spend(fleet, key, "shared") == {200: BUDGET, 429: 3 * BUDGET}
    fleet.redis.freeze()
    alone = spend(fleet, key, "alone")
    fleet.redis.thaw()
    assert BUDGET <= alone[200] <= 3 * BUDGET
    assert set(alone) <= {200, 429}


def spend(fleet: Fleet, key: str, model: str) -> Counter[int]:
    """Make four times as many calls as the budget has room for, through all machines at once."""

    def call(number: int) -> int:
        connection = HTTPConnection(fleet.nodes[number % 3].machine.address, 8790, timeout=SECONDS)
        try:
            said = {"model": model, "max_tokens": 10, "messages": [{"role": "user", "content": "a cent"}]}
            headers = {"authorization": f"Bearer {key}", "x-simulate": "tokens=10"}
            connection.request("POST", "/api/v1/chat/completions", json.dumps(said), headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    with ThreadPoolExecutor(24) as pool:
        return Counter(pool.map(call, range(4 * BUDGET)))


def await_all(callers: Callers) -> None:
    for number in range(3):
        callers.await_more(15, by=number)


def revisions(fleet: Fleet) -> tuple[str, str]:
    with psycopg.connect(fleet.database) as connection:
        found = [
            connection.execute(f"SELECT version_num FROM {tree.revision.name}").fetchone() for tree in (CONTROL, LOGS)
        ]
    return found[0][0], found[1][0]  # type: ignore[index, unused-ignore]


def account_of(fleet: Fleet, callers: Callers) -> Account:
    for node in fleet.nodes:
        node.await_stored()
    connection = HTTPConnection(PROVIDERS, fleet.providers, timeout=SECONDS)
    connection.request("GET", "/_simulator/requests")
    requests: list[dict[str, Any]] = json.loads(connection.getresponse().read())
    connection.close()
    seen = {found.group(): one["fate"] for one in requests if (found := _MARKER.search(one["body"] or ""))}
    return take_account(fleet.database, callers, seen)
