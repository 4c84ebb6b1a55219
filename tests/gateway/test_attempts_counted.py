"""What the record and the board say of attempts: the one that a faster one cut off, and how many there were of each."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gantry.board.board import Word
from gantry.core.api_key import key_digest
from gantry.core.routing_rules import RoutingRules
from gantry.core.secret import Secret
from gantry.core.vocabulary import DEFAULT_SCOPES, Environment, Outcome
from gantry.home import load_keyring
from gantry.providers.spec import load_catalog
from gantry.routing.snapshot import Body, CredentialRecord, KeyRecord, build_key_table, seal_table, write_snapshot
from tests.gateway.catalogue import silent, until
from tests.gateway.conftest import Node, Script, Upstream, answering, running_node
from tests.gateway.test_elsewhere import CHAT, GOOD, SMALL, failing

Runner = Callable[[Any], Any]
HEDGED = {"models": [{"match": "*", "hedge": {"after": 0.05, "share": 1.0}}]}


class Fleet:
    """A worker with a scripted upstream for each credential; the first is drawn first."""

    def __init__(self, node: Node, servers: dict[str, Upstream]) -> None:
        self.node = node
        self.servers = servers

    async def ask(self, **changes: Any) -> int:
        answer = await self.node.ask(CHAT, json.dumps({**SMALL, **changes}).encode())
        return answer.status

    def counted(self) -> dict[str, int]:
        """Return what the board has counted of attempts, but for zeros."""
        words = (
            Word.ATTEMPTS_FAILED,
            Word.ROTATIONS,
            Word.FALLBACKS,
            Word.RETRIES,
            Word.HEDGES,
            Word.HEDGES_WON,
            Word.COOLDOWNS,
        )
        return {word.name.lower(): count for word in words if (count := self.node.slot[word])}

    async def metrics(self) -> dict[str, float]:
        answer = await self.node.ask("/metrics", method="GET")
        lines = [line.split() for line in answer.body.decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in lines}


@asynccontextmanager
async def fleet(
    tmp_path: Path,
    upstreams: Sequence[tuple[str, str, Script]],
    rules: dict[str, Any] | None = None,
    *,
    encrypted: Collection[str] = (),
) -> AsyncIterator[Fleet]:
    """Run a worker with these credentials: name, provider, and what its upstream does."""
    async with AsyncExitStack() as stack:
        servers = {name: await stack.enter_async_context(Upstream(script).running()) for name, _, script in upstreams}
        urls = {
            name: server.url.replace("http:", "https:") if name in encrypted else server.url
            for name, server in servers.items()
        }
        node = await stack.enter_async_context(running_node(tmp_path, "http://127.0.0.1:9"))
        node.worker._state.draw = lambda: 0.0
        credentials = tuple(
            CredentialRecord(name, "o1", provider, name, urls[name], {"api_key": Secret("k")})
            for name, provider, _ in upstreams
        )
        await publish(node, credentials, msgspec.convert(rules or {}, RoutingRules))
        yield Fleet(node, servers)


async def publish(node: Node, credentials: tuple[CredentialRecord, ...], rules: RoutingRules) -> None:
    keyring = load_keyring(node.home)
    key = KeyRecord("k1", "o1", Environment.PROD, int(DEFAULT_SCOPES))
    table = build_key_table([(key_digest(node.key, keyring.pepper), key)])
    body = Body(6, time.time_ns(), "t2", tuple(load_catalog().values()), credentials, {}, routing_rules={"o1": rules})
    written = node.home.snapshot.with_name("next")
    written.write_bytes(write_snapshot(body, seal_table(table, keyring.snapshot), [], keyring.snapshot))
    written.replace(node.home.snapshot)
    await until(lambda: node.slot[Word.SNAPSHOT_VERSION] == 6)


def test_who_was_slower_is_on_record_and_the_hedge_is_counted(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with fleet(tmp_path, [("one", "mistral", silent), ("two", "mistral", answering(GOOD))], HEDGED) as ours:
            assert await ours.ask() == 200
            _, closed, _ = await ours.node.one_call()
            lost, won = closed.attempts
            assert (lost.credential_name, lost.step, lost.outcome, lost.unsent) == ("one", "first", "cancelled", False)
            assert (won.credential_name, won.step, won.outcome, won.unsent) == ("two", "hedge", "success", False)
            assert (won.began or 0) >= 50_000_000 > (lost.began or 0)
            assert ours.counted() == {"hedges": 1, "hedges_won": 1}

    run(main())


def test_a_hedge_that_lost_is_no_failure(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Any) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await gate.wait()
            writer.write(GOOD)
            await writer.drain()

        async def noting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Any) -> None:
            await reader.readuntil(b"\r\n\r\n")
            gate.set()
            await reader.read()

        async with fleet(tmp_path, [("one", "mistral", slow), ("two", "mistral", noting)], HEDGED) as ours:
            assert await ours.ask() == 200
            _, closed, _ = await ours.node.one_call()
            by_name = {one.credential_name: (one.step, one.outcome, one.unsent) for one in closed.attempts}
            assert by_name == {"one": ("first", "success", False), "two": ("hedge", "cancelled", False)}
            assert ours.counted() == {"hedges": 1}

    run(main())


def test_what_had_no_connection_yet_was_never_sent(run: Runner, tmp_path: Path) -> None:
    """The first attempt still waits for a handshake when its rival answers: nobody can bill it."""

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Any) -> None:
        await reader.read()

    async def main() -> None:
        upstreams = [("one", "mistral", mute), ("two", "mistral", answering(GOOD))]
        async with fleet(tmp_path, upstreams, HEDGED, encrypted=("one",)) as ours:
            assert await ours.ask() == 200
            _, closed, _ = await ours.node.one_call()
            assert [(one.credential_name, one.outcome, one.unsent) for one in closed.attempts] == [
                ("one", "cancelled", True),
                ("two", "success", False),
            ]

    run(main())


@pytest.mark.parametrize(
    ("upstreams", "body", "counted"),
    [
        (
            [("one", "mistral", failing("401 No")), ("two", "mistral", answering(GOOD))],
            {},
            {"attempts_failed": 1, "rotations": 1, "cooldowns": 1},
        ),
        (
            [("one", "mistral", failing("503 No")), ("two", "openai", answering(GOOD))],
            {"fallback_models": ["openai/gpt-4o"]},
            {"attempts_failed": 1, "fallbacks": 1},
        ),
        (
            [("one", "mistral", failing("503 No"))],
            {"retry_params": {"num_retries": 2, "retry_after": 0.01}},
            {"attempts_failed": 3, "retries": 2},
        ),
        ([("one", "mistral", failing("422 No"))], {}, {"attempts_failed": 1}),
        ([("one", "mistral", answering(GOOD))], {}, {}),
        ([("one", "mistral", answering(GOOD)), ("two", "mistral", answering(GOOD))], {}, {}),
    ],
)
def test_attempts_are_counted_by_what_they_came_to(
    run: Runner, tmp_path: Path, upstreams: Any, body: dict[str, Any], counted: dict[str, int]
) -> None:
    async def main() -> None:
        async with fleet(tmp_path, upstreams) as ours:
            await ours.ask(**body)
            _, closed, _ = await ours.node.one_call()
            assert ours.counted() == counted
            assert ours.node.slot[Word.REQUESTS] == 1, "an attempt is no request"
            told = await ours.metrics()
            assert told["gantry_requests_total"] == 1
            faults = closed.outcome != Outcome.SUCCESS
            assert told["gantry_upstream_faults_total"] == faults
            for name, count in counted.items():
                assert told[f"gantry_{name}_total"] == count
            assert told["gantry_deployments_cooling"] == counted.get("cooldowns", 0)

    run(main())


def test_the_gauge_falls_when_a_deployment_is_reset(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        upstreams = [("one", "mistral", failing("401 No")), ("two", "mistral", answering(GOOD))]
        async with fleet(tmp_path, upstreams) as ours:
            assert await ours.ask() == 200
            assert (await ours.metrics())["gantry_deployments_cooling"] == 1
            assert ours.node.worker._state.health._book.reset() == 1
            assert (await ours.metrics())["gantry_deployments_cooling"] == 0
            assert (await ours.metrics())["gantry_cooldowns_total"] == 1
            body = (await ours.node.ask("/metrics", method="GET")).body
            assert b"mistral" not in body, "callers name models; no metric has a name of one"

    run(main())
