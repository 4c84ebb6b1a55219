"""A real Prometheus scrapes a node that is in use, with a key and without; and its linter reads what it is given."""

import http.client
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from tests.e2e.node import SECONDS, Node, await_true, running_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

CALLS: Final = 3
CONFIGURATION: Final = """
global: {{ scrape_interval: 1s, scrape_timeout: 1s }}
scrape_configs:
  - job_name: machine
    static_configs: [{{ targets: ["127.0.0.1:{port}"] }}]
  - job_name: calls
    authorization: {{ credentials: {key} }}
    static_configs: [{{ targets: ["127.0.0.1:{port}"] }}]
"""


def found(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"there is no {name} here; install the package `prometheus`")
    return path


class Prometheus:
    """A server that scrapes one node."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str, **query: str) -> Any:
        """Return the data of an answer; None while there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request("GET", f"/api/v1/{path}?{urlencode(query)}")
            answer = connection.getresponse()
            body = answer.read()
        except OSError:  # not there yet
            return None
        finally:
            connection.close()
        return json.loads(body)["data"] if answer.status == 200 else None

    def value(self, query: str) -> float | None:
        """Return what a query that has one result comes to."""
        results = (self.get("query", query=query) or {"result": []})["result"]
        assert len(results) <= 1, results
        return float(results[0]["value"][1]) if results else None


@contextmanager
def scraping(program: str, folder: Path, configuration: str) -> Iterator[Prometheus]:
    (folder / "prometheus.yml").write_text(configuration)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = (
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'series'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield Prometheus(port)
    finally:
        process.kill()
        process.wait()


def test_a_scrape_works_as_it_is(tmp_path: Path) -> None:
    program = found("prometheus")
    with running_node(tmp_path) as node:
        key = use(node)
        with scraping(program, tmp_path, CONFIGURATION.format(port=node.port, key=key)) as prometheus:
            await_true(lambda: prometheus.value("sum(up)") == 2, "two targets that are up")
            await_true(lambda: prometheus.value("sum(gantry_model_calls_total)") == CALLS, "all calls, by model")
            assert [one["lastError"] for one in prometheus.get("targets")["activeTargets"]] == ["", ""]
            assert prometheus.value('gantry_calls_succeeded_total{job="machine"}') == CALLS
            assert prometheus.value('count(gantry_model_calls_total{job="machine"})') is None, "names need a key"
            by_model = 'sum(gantry_model_calls_total{model="mistral-small-latest",outcome="success"})'
            assert prometheus.value(by_model) == CALLS
            assert (prometheus.value("sum(gantry_model_tokens_total)") or 0) > 0
            assert (prometheus.value("sum(gantry_model_cost_usd_total)") or 0) > 0
            quantile = "histogram_quantile(0.99, sum by (le) (gantry_call_duration_seconds_bucket{job='machine'}))"
            assert 0 < (prometheus.value(quantile) or 0) < SECONDS
            kinds = prometheus.get("metadata")
            assert kinds["gantry_calls_in_flight"][0]["type"] == "gauge"
            assert kinds["gantry_call_duration_seconds"][0]["type"] == "histogram"


def test_its_linter_finds_nothing(tmp_path: Path) -> None:
    program = found("promtool")
    with running_node(tmp_path) as node:
        key = use(node)
        await_true(lambda: b"gantry_model_calls_total{" in node.ask("/metrics", key=key)[1], "calls by model")
        status, exposed = node.ask("/metrics", key=key)
    assert status == 200
    done = subprocess.run((program, "check", "metrics"), input=exposed, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.decode()) == (0, b"", "")


def use(node: Node) -> str:
    """Make some calls, and return a key that may read what they were."""
    for _ in range(CALLS):
        assert node.chat("Hello!")[0] == 200
    return node.gantry("keys", "create", "scrape", "--scope", "read").stdout.split()[-1]
