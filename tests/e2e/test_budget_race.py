"""A budget under a crowd: of callers who ask all at once, exactly as many reach the provider as it can pay.

Two hundred callers, four workers, a budget of a dollar, and calls whose estimate is their cost, a cent.
"""

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.node import Node
from tests.e2e.till import WAYS, Till, crowd, padded, toml
from tests.e2e.traffic import query

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CALLERS, PAID = 200, 100
CENT = 10_000_000  # nano-dollars


@contextmanager
def site(folder: Path, configuration: str, till: Till, *, workers: int = 4) -> Iterator[Node]:
    """Run a node with a configuration, in front of the till."""
    home = folder / "home"
    home.mkdir(mode=0o700, parents=True)
    (home / "gantry.toml").write_text(configuration)
    node = Node(folder, workers=workers)
    try:
        for provider in sorted({way.provider for way in WAYS.values()}):
            node.gantry("providers", "add", provider, "--api-key", "k", "--base-url", till.url)
        node.key = node.gantry("keys", "create", "load").stdout.split()[-1]
        node.await_ready()
        yield node
    finally:
        node.close()


def balanced(node: Node) -> int:
    """Return what all calls cost, in nano-dollars, once ledger, logs and sums say the same of it."""
    node.await_stored()
    found = {one["subject"]: one["verdict"] for one in json.loads(node.gantry("doctor", "--json").stdout)}
    assert found["books"] == "ok"
    return int(query(node.logs_db, "SELECT sum(cost) FROM request_logs")[0][0])


def test_pains_6_and_9_exactly_what_a_budget_pays_reaches_the_provider_on_every_surface(tmp_path: Path) -> None:
    with Till() as till, site(tmp_path, toml(), till) as node:
        for name, way in WAYS.items():
            for stream in (False, True) if way.streams else (False,):
                path, body = way.request(way.named(stream=stream), stream=stream)
                if name == "embeddings":
                    path, body = padded(path, body)
                told = crowd([node.port], node.key, path, body, CALLERS)
                where = f"{name}, {'stream' if stream else 'whole'}"
                assert till.take() == PAID, (where, told)
                assert told == {200: PAID, 429: CALLERS - PAID}, where
                assert crowd([node.port], node.key, path, body, 10) == {429: 10}, where
                assert till.take() == 0, where
        streamed = sum(1 + way.streams for way in WAYS.values())
        assert balanced(node) == streamed * PAID * CENT


@pytest.mark.parametrize("stream", [False, True])
def test_a_killed_worker_never_lets_a_budget_pay_more(tmp_path: Path, stream: bool) -> None:
    way = WAYS["mistral"]
    path, body = way.request(way.named(stream=stream), stream=stream)
    with Till(pause=2.0) as till, site(tmp_path, toml("mistral"), till) as node, ThreadPoolExecutor(1) as threads:
        killed = node.pid_of("worker")
        asking = threads.submit(crowd, [node.port], node.key, path, body, CALLERS)
        till.await_reached(PAID // 4)
        os.kill(killed, signal.SIGKILL)
        told = asking.result()
        assert told[0] > 0, told  # those of the killed worker
        node.await_another("worker", killed)
        told += crowd([node.port], node.key, path, body, CALLERS)
        reached = till.take()
        # What was held for calls of the killed one stays held, also for those that had not left yet.
        assert PAID - told[0] <= reached <= PAID, (reached, told)
        assert told[200] + told[0] >= reached
        assert crowd([node.port], node.key, path, body, 10)[200] == 0
        # Each call that was held is on record at its cost, or, where its worker was killed, at its estimate.
        assert reached * CENT <= balanced(node) <= PAID * CENT
