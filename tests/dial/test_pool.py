"""The pool: reuse, bounds, the queue, and one call per lease whatever happens."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gantry.core.errors import Overloaded
from gantry.dial.connect import open_connection
from gantry.dial.connection import UpstreamConnection
from gantry.dial.origin import Origin
from gantry.dial.pool import Dialler, Pool, PoolLimits
from tests.dial.loopback import FINE, Caller, Clock, Peer, Server, answering, dialler, leaving, listening, turns

Runner = Callable[[Coroutine[Any, Any, None]], None]


async def fetched(pool: Pool, *, fresh: bool = False) -> UpstreamConnection:
    """Make one whole call and return the connection it used."""
    caller = Caller()
    pool.lease(caller, fresh=fresh)
    assert await caller.fetch() == b"ok"
    assert caller.connection is not None
    assert (caller.connect_time is None) == (caller.connection.uses > 1)
    return caller.connection


async def leased(pool: Pool) -> Caller:
    caller = Caller()
    pool.lease(caller)
    await caller.served.wait()
    assert caller.heard == ["connection"]
    return caller


async def two_idle(pool: Pool) -> tuple[UpstreamConnection, UpstreamConnection]:
    """Return two connections that have become idle in this order."""
    callers = [await leased(pool), await leased(pool)]
    for caller in callers:
        await caller.fetch()
    first, second = (caller.connection for caller in callers)
    assert first is not None
    assert second is not None
    return first, second


async def until_gone(connection: UpstreamConnection) -> None:
    for _ in range(1000):
        if connection.transport is None:
            return
        await asyncio.sleep(0.001)
    raise AssertionError("the connection is still open")


# Reuse


def test_the_newest_idle_connection_is_used_first(run: Runner) -> None:
    async def main() -> None:
        clock = Clock()
        async with Server(answering).running() as server:
            pool = dialler(clock=clock).pool(server.origin())
            first, second = await two_idle(pool)
            for _ in range(3):
                assert await fetched(pool) is second
            assert (first.uses, second.uses, clock.opened, pool.size) == (1, 4, 2, 2)

    run(main())


def test_an_idle_connection_is_leased_before_lease_returns(run: Runner) -> None:
    async def main() -> None:
        async with Server(answering).running() as server:
            pool = dialler().pool(server.origin())
            await fetched(pool)
            caller = Caller()
            pool.lease(caller)
            assert caller.heard == ["connection"]
            assert caller.connect_time is None

    run(main())


def test_a_fresh_lease_passes_idle_connections_by(run: Runner) -> None:
    async def main() -> None:
        async with Server(answering).running() as server:
            pool = dialler().pool(server.origin())
            assert await fetched(pool) is not await fetched(pool, fresh=True)
            assert pool.size == 2

    run(main())


def test_a_fresh_lease_at_the_bound_takes_the_place_of_the_oldest_idle_connection(run: Runner) -> None:
    async def main() -> None:
        async with Server(answering).running() as server:
            pool = dialler(limits=PoolLimits(connections=2)).pool(server.origin())
            first, second = await two_idle(pool)
            assert await fetched(pool, fresh=True) not in (first, second)
            assert (first.usable, second.usable, pool.size) == (False, True, 2)

    run(main())


# Idleness and age


def test_idle_connections_are_swept(run: Runner) -> None:
    async def main() -> None:
        clock = Clock()
        async with Server(answering).running() as server:
            made = dialler(clock=clock, limits=PoolLimits(idle=55))
            pool = made.pool(server.origin())
            first, second = await two_idle(pool)
            clock.now += 50
            assert await fetched(pool) is second
            clock.now += 5
            made.sweep()
            assert (first.usable, second.usable) == (True, True)
            clock.now += 1
            made.sweep()
            assert (first.usable, second.usable) == (False, True)
            await until_gone(first)
            assert pool.size == 1

    run(main())


def test_old_connections_are_swept_or_not_kept(run: Runner) -> None:
    async def main() -> None:
        clock = Clock()
        async with Server(answering).running() as server:
            made = dialler(clock=clock, limits=PoolLimits(idle=10_000, age=900))
            pool = made.pool(server.origin())
            idle, busy = await leased(pool), await leased(pool)
            await idle.fetch()
            clock.now += 901
            await busy.fetch()
            made.sweep()
            for caller in (idle, busy):
                assert caller.connection is not None
                await until_gone(caller.connection)
            assert pool.size == 0
            assert (await fetched(pool)).opened_at == clock.now

    run(main())


def test_a_connection_that_dies_while_idle_is_forgotten(run: Runner) -> None:
    async def once(peer: Peer) -> None:
        await peer.head()
        await peer.say(FINE)

    async def main() -> None:
        async with Server(once).running() as server:
            pool = dialler().pool(server.origin())
            first = await fetched(pool)
            await until_gone(first)
            assert pool.size == 0
            assert await fetched(pool) is not first

    run(main())


def test_a_connection_that_talks_while_idle_is_closed(run: Runner) -> None:
    async def talking(peer: Peer) -> None:
        await peer.head()
        await peer.say(FINE)
        await asyncio.wait_for(told.wait(), 5)
        await peer.say(FINE)
        await listening(peer)

    told = asyncio.Event()

    async def main() -> None:
        async with Server(talking).running() as server:
            pool = dialler().pool(server.origin())
            connection = await fetched(pool)
            told.set()
            await until_gone(connection)
            assert pool.size == 0

    run(main())


# The bound and the queue


def test_as_many_may_wait_as_may_be_open(run: Runner) -> None:
    async def main() -> None:
        clock = Clock()
        async with Server(answering).running() as server:
            pool = dialler(clock=clock, limits=PoolLimits(connections=1)).pool(server.origin())
            holder = await leased(pool)
            waiting, refused = Caller(), Caller()
            pool.lease(waiting)
            pool.lease(refused)
            assert refused.heard == ["connect failed"]
            assert "too many calls wait for 127.0.0.1" in refused.message
            await holder.fetch()
            assert await waiting.fetch() == b"ok"
            assert clock.opened == 1

    run(main())


def test_whoever_waits_longest_is_served_first_and_a_cancelled_place_is_passed_over(run: Runner) -> None:
    async def main() -> None:
        clock = Clock()
        async with Server(answering).running() as server:
            pool = dialler(clock=clock, limits=PoolLimits(connections=4)).pool(server.origin())
            holders = [await leased(pool) for _ in range(4)]
            waiting = [Caller() for _ in range(4)]
            for caller in waiting:
                pool.lease(caller)
            pool.cancel(waiting[1])
            for holder, served in zip(holders, (waiting[0], waiting[2], waiting[3]), strict=False):
                await holder.fetch()
                await served.served.wait()
                assert served.connection is holder.connection
            await holders[3].fetch()
            assert waiting[1].heard == []
            assert (clock.opened, pool.size) == (4, 4)

    run(main())


def test_a_connection_that_ends_makes_room(run: Runner) -> None:
    async def main() -> None:
        async with Server(answering).running() as server:
            pool = dialler(limits=PoolLimits(connections=1)).pool(server.origin())
            holder = await leased(pool)
            waiting = Caller()
            pool.lease(waiting)
            assert holder.connection is not None
            holder.connection.abort()
            assert await waiting.fetch() == b"ok"
            assert waiting.connection is not holder.connection

    run(main())


def test_an_attempt_that_fails_makes_room(run: Runner) -> None:
    async def main() -> None:
        async with Server(answering).running() as server:
            origin = server.origin()
        pool = dialler(limits=PoolLimits(connections=2)).pool(origin)
        callers = [Caller() for _ in range(4)]
        for caller in callers:
            pool.lease(caller)
        for caller in callers:
            await caller.served.wait()
            assert caller.heard == ["connect failed"]
        assert pool.size == 0

    run(main())


def test_an_attempt_that_is_cancelled_makes_room(run: Runner) -> None:
    async def main() -> None:
        async with Server(answering).running() as server:
            pool = dialler(limits=PoolLimits(connections=1)).pool(server.origin())
            first, second = Caller(), Caller()
            pool.lease(first)
            pool.lease(second)
            pool.cancel(first)
            assert await second.fetch() == b"ok"
            assert first.heard == []

    run(main())


# One call per lease


@pytest.mark.parametrize("rounds", range(6))
def test_a_cancelled_lease_hears_nothing_and_leaves_nothing_open(run: Runner, rounds: int) -> None:
    """However far the connection has come."""

    async def main() -> None:
        async with Server(listening).running() as server:
            pool = dialler().pool(server.origin())
            caller = Caller()
            pool.lease(caller)
            await turns(rounds)
            connected = list(caller.heard)
            pool.cancel(caller)
            if caller.connection is not None:
                caller.connection.abort()
            await turns(20)
            assert caller.heard == connected
            assert pool.size == 0
            other = await leased(pool)  # the server has seen all that came before it
            assert other.connection is not None
            other.connection.abort()
            for peer in server.peers:
                await peer.gone.wait()

    run(main())


def test_cancelling_twice_or_a_stranger_does_nothing(run: Runner) -> None:
    async def main() -> None:
        async with Server(answering).running() as server:
            pool = dialler().pool(server.origin())
            caller = Caller()
            pool.lease(caller)
            pool.cancel(Caller())
            pool.cancel(caller)
            pool.cancel(caller)
            pool.lease(caller)  # the same lease again, while the first attempt is still ending
            assert await caller.fetch() == b"ok"
            assert caller.heard == ["connection", "head", "end"]

    run(main())


def test_a_server_that_leaves_at_once_ends_the_lease_or_the_call(run: Runner) -> None:
    async def main() -> None:
        async with Server(leaving).running() as server:
            pool = dialler().pool(server.origin())
            for _ in range(20):
                caller = Caller()
                pool.lease(caller)
                await caller.served.wait()
                if caller.connection is not None:
                    caller.ask()
                    await caller.over.wait()
                    assert caller.heard == ["connection", "failure"]
                else:
                    assert caller.heard == ["connect failed"]
            assert pool.size == 0

    run(main())


def test_a_connection_lost_before_it_is_handed_over(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with Server(listening).running() as server:

            async def losing(*arguments: Any, **options: Any) -> UpstreamConnection:
                connection = await open_connection(*arguments, **options)
                connection.abort()
                await until_gone(connection)
                return connection

            monkeypatch.setattr("gantry.dial.pool.open_connection", losing)
            pool = dialler().pool(server.origin())
            caller = Caller()
            pool.lease(caller)
            await caller.served.wait()
            assert caller.heard == ["connect failed"]
            assert "closed the connection at once" in caller.message
            assert pool.size == 0

    run(main())


def test_a_fault_that_nobody_foresaw_ends_the_lease_and_is_logged(
    run: Runner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(*_: Any, **__: Any) -> UpstreamConnection:
        await asyncio.sleep(0)
        raise RuntimeError("out of order")

    async def main() -> None:
        monkeypatch.setattr("gantry.dial.pool.open_connection", failing)
        pool = dialler(limits=PoolLimits(connections=1)).pool(Origin("http", "upstream", 80))
        callers = [Caller(), Caller()]
        for caller in callers:
            pool.lease(caller)
        for caller in callers:
            await caller.served.wait()
            assert caller.heard == ["connect failed"]
            assert "cannot connect to upstream: RuntimeError" in caller.message
        assert pool.size == 0

    with caplog.at_level(logging.ERROR):
        run(main())
    assert "connecting to upstream failed" in caplog.text


# The end, and the dialler


def test_closing_ends_every_lease_and_every_connection(run: Runner) -> None:
    async def main() -> None:
        async with Server(answering).running() as server:
            made = dialler(limits=PoolLimits(connections=2))
            await fetched(made.pool(server.origin(host="localhost")))
            pool = made.pool(server.origin())
            held = await leased(pool)
            connecting, waiting, late = Caller(), Caller(), Caller()
            pool.lease(connecting)
            pool.lease(waiting)
            made.close()
            pool.lease(late)
            for caller in (connecting, waiting, late):
                assert caller.heard == ["connect failed"]
                assert "stopping" in caller.message
            await turns(20)
            assert held.heard == ["connection"]
            assert pool.size == 0
            for peer in server.peers:
                await peer.gone.wait()

    run(main())


def test_each_origin_has_a_pool_of_its_own(run: Runner) -> None:
    async def main() -> None:
        made = dialler()
        origin = Origin("https", "h", 443)
        assert made.pool(origin) is made.pool(Origin("https", "h", 443))
        for other in (
            Origin("http", "h", 443),
            Origin("https", "g", 443),
            Origin("https", "h", 444),
            Origin("https", "h", 443, private=True),
        ):
            assert made.pool(other) is not made.pool(origin)

    run(main())


def test_pools_are_bounded_and_unused_ones_make_room(run: Runner) -> None:
    async def main() -> None:
        async with Server(answering).running() as server:
            made = dialler()
            used = made.pool(server.origin())
            await fetched(used)
            for number in range(5000):
                made.pool(Origin("http", f"h{number}", 80))
            assert made.pool(server.origin()) is used
            made.close()

    run(main())


@pytest.mark.plain
def test_too_many_pools_in_use_are_refused(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        made = dialler()
        monkeypatch.setattr(Pool, "size", 1)
        for number in range(4096):
            made.pool(Origin("http", f"h{number}", 80))
        with pytest.raises(Overloaded):
            made.pool(Origin("http", "one-more", 80))

    run(main())


def test_the_dialler_takes_its_time_from_the_loop(run: Runner) -> None:
    async def main() -> None:
        made: Dialler = dialler()
        assert made.clock == asyncio.get_running_loop().time

    run(main())
