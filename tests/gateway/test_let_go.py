"""What connections leave behind when they end: nothing that only the garbage collector would find.

A worker has it look at what lived long but seldom, so what waits for it is memory that grows, for an hour and more.
"""

import asyncio
import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gantry.gateway.call import Call
from gantry.gateway.intake import Intake
from gantry.wire.head import RequestHead
from tests.gateway.catalogue import silent, until
from tests.gateway.conftest import Upstream, answering, json_answer, running_node

CHAT = "/v1/chat/completions"
SMALL = b'{"model":"mistral-small-latest","messages":[{"role":"user","content":"hi"}]}'
ANSWER = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}'


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def left() -> dict[str, int]:
    """Count what a call is made of."""
    kinds = [type(one) for one in gc.get_objects()]
    return {kind.__name__: kinds.count(kind) for kind in (Call, Intake, RequestHead) if kind in kinds}


@pytest.mark.usefixtures("_no_collector")
def test_connections_that_ended_leave_nothing(run: Callable[[Any], Any], tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(answering(json_answer(ANSWER))).running() as up, running_node(tmp_path, up.url) as node:
            for number in range(5):
                client = await node.connect()
                for again in (0, 0, 1):  # the same head twice, then another one
                    client.send(node.request(CHAT, SMALL, b"x-request-id: %d%d" % (number, again)))
                    assert (await client.answer()).status == 200
                client.leave()
            await until(lambda: not node.worker._state.clients)
            assert left() == {}

    run(main())


@pytest.mark.usefixtures("_no_collector")
def test_clients_that_leave_in_the_middle_leave_nothing(run: Callable[[Any], Any], tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(silent).running() as up, running_node(tmp_path, up.url) as node:
            for number in range(1, 4):
                client = await node.connect()
                client.send(node.request(CHAT, SMALL))
                await until(lambda: up.heard.count(b"POST ") == number)  # noqa: B023 - asked before it goes on
                client.leave()
                await until(lambda: not node.worker._state.clients)
            await asyncio.sleep(0)
            assert left() == {}

    run(main())
