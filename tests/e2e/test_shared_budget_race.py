"""One budget on two machines: what both let through together is what it pays, to the call."""

import shutil
from pathlib import Path

import pytest

pytest.importorskip("redis", reason="the extra `redis` is not installed")

from tests.board.test_shared_counters import SERVER, Server, server
from tests.e2e.node import Node
from tests.e2e.test_budget_race import CALLERS, PAID, site
from tests.e2e.till import WAYS, Till, crowd, toml

__all__ = ["server"]

pytestmark = [
    pytest.mark.skipif(SERVER is None, reason="there is no redis-server here"),
    pytest.mark.slow,
    pytest.mark.timeout(240),
]
# Patient, whatever else this machine does.
SHARED = """redis_url = "{}"
redis_timeout = 20.0
redis_down = "closed"

"""


@pytest.mark.parametrize("name", ["mistral", "anthropic"])
def test_two_gateways_that_share_their_counters_let_through_what_one_budget_pays(
    tmp_path: Path, server: Server, name: str
) -> None:
    way = WAYS[name]
    configuration = SHARED.format(server.url.reveal()) + toml(name)
    with Till() as till, site(tmp_path / "a", configuration, till, workers=2) as first:
        first.server.end()
        # The same organization, key and limits.
        shutil.copytree(first.home, tmp_path / "b" / "home", ignore=shutil.ignore_patterns("*.sock"))
        first.serve()
        first.port = first.server.port
        second = Node(tmp_path / "b", workers=2)
        try:
            second.key = first.key
            first.await_ready()
            second.await_ready()
            for stream in (False, True):
                path, body = way.request(way.named(stream=stream), stream=stream)
                told = crowd([first.port, second.port], first.key, path, body, CALLERS)
                assert till.take() == PAID, told
                assert told == {200: PAID, 429: CALLERS - PAID}
                for port in (first.port, second.port):
                    assert crowd([port], first.key, path, body, 3) == {429: 3}
            second.server.end()
        finally:
            second.close()
