"""Pools of connections, one per origin: newest first, bounded in number, idleness and age.

Law: a lease ends in exactly one call, `on_connection` or `on_connect_failed`, possibly before `lease` returns; after
`cancel` it ends in none. The newest idle connection is used first, so that the rest can grow old and be closed.
Whatever makes room, be it a connection that ended or an attempt that failed, serves whoever waits longest.
"""

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Callable
from typing import Protocol

from gantry.core.errors import Overloaded, UpstreamFault, UpstreamUnreachable
from gantry.dial.connect import ConnectFailed, open_connection
from gantry.dial.connection import UpstreamConnection
from gantry.dial.origin import Origin, ProxyRules
from gantry.dial.outbox import Outbox
from gantry.wire.recognise import ResponseHeads

_CLOSING = "the gateway is stopping"

logger = logging.getLogger(__name__)


class Lease(Protocol):
    """Whoever waits for a connection. `connect_time` is in seconds, None when the connection was pooled."""

    def on_connection(self, connection: UpstreamConnection, connect_time: float | None) -> None: ...
    def on_connect_failed(self, fault: UpstreamFault) -> None: ...


class PoolLimits:
    """Bounds of every pool: connections per origin, seconds idle, seconds of age."""

    __slots__ = ("age", "connections", "idle")

    def __init__(self, connections: int = 2000, idle: float = 55.0, age: float = 900.0) -> None:
        self.connections = connections
        self.idle = idle
        self.age = age


class Pool:
    """The connections to one origin."""

    __slots__ = ("_connecting", "_dialler", "_idle", "_open", "_waiting", "heads", "origin", "outbox")

    def __init__(self, origin: Origin, dialler: "Dialler") -> None:
        self.origin = origin
        self.heads = ResponseHeads()
        self.outbox = dialler.outbox
        self._dialler = dialler
        self._idle: list[UpstreamConnection] = []
        self._open: set[UpstreamConnection] = set()
        self._waiting: deque[Lease] = deque()
        self._connecting: dict[Lease, asyncio.Task[None]] = {}

    @property
    def size(self) -> int:
        return len(self._open) + len(self._connecting)

    def lease(self, lease: Lease, fresh: bool = False) -> None:
        """Give the lease an idle connection, a new one (always when `fresh`), or a place in the queue."""
        if not fresh:
            while self._idle:
                connection = self._idle.pop()
                transport = connection.transport
                if transport is not None and not transport.is_closing():
                    lease.on_connection(connection, None)
                    return
        limit = self._dialler.limits.connections
        if self._dialler.closing:
            lease.on_connect_failed(UpstreamUnreachable(_CLOSING))
        elif self.size < limit:
            self._begin(lease)
        elif len(self._waiting) < limit:
            self._waiting.append(lease)
            if self._idle:  # a fresh lease among idle connections: the oldest of them makes room, see `forget`
                self._idle.pop(0).abort()
        else:
            lease.on_connect_failed(UpstreamUnreachable(f"too many calls wait for {self.origin.authority}"))

    def cancel(self, lease: Lease) -> None:
        task = self._connecting.pop(lease, None)
        if task is not None:
            task.cancel()
            self._serve_waiting()
        elif lease in self._waiting:
            self._waiting.remove(lease)

    def keep(self, connection: UpstreamConnection) -> None:
        dialler = self._dialler
        now = dialler.clock()
        if now - connection.opened_at > dialler.limits.age or dialler.closing:
            connection.abort()
            return
        connection.idle_since = now
        if self._waiting:
            self._waiting.popleft().on_connection(connection, None)
        else:
            self._idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._serve_waiting()

    def sweep(self, now: float) -> None:
        """Close connections that were idle or alive for too long."""
        limits = self._dialler.limits
        for connection in tuple(self._idle):
            if now - connection.idle_since > limits.idle or now - connection.opened_at > limits.age:
                self._idle.remove(connection)
                connection.abort()

    def close(self) -> None:
        """Close everything at once. Whoever still waits hears of it; whoever holds a connection does not."""
        unserved = [*self._connecting, *self._waiting]
        for task in self._connecting.values():
            task.cancel()
        self._connecting.clear()
        self._waiting.clear()
        self._idle.clear()
        for connection in tuple(self._open):
            connection.abort()
        for lease in unserved:
            lease.on_connect_failed(UpstreamUnreachable(_CLOSING))

    def _begin(self, lease: Lease) -> None:
        self._connecting[lease] = self._dialler.loop.create_task(self._connect(lease))

    async def _connect(self, lease: Lease) -> None:
        dialler = self._dialler
        authority = self.origin.authority
        started = dialler.clock()
        try:
            connection = await open_connection(
                dialler.loop,
                self.origin,
                lambda: UpstreamConnection(self, authority, started),
                tls=dialler.tls,
                proxy=dialler.proxies.proxy_for(self.origin),
            )
        except ConnectFailed as error:
            self._give_up(lease, str(error))
            return
        except Exception as error:  # the boundary of the task: nobody else would end the lease
            logger.exception("connecting to %s failed as nothing here foresees", authority)
            self._give_up(lease, f"cannot connect to {authority}: {error!r}")
            return
        if not connection.usable:  # it was lost before this task went on, so `forget` has been called already
            self._give_up(lease, f"{authority} closed the connection at once")
            return
        del self._connecting[lease]
        self._open.add(connection)
        dialler.on_opened()
        lease.on_connection(connection, dialler.clock() - started)

    def _give_up(self, lease: Lease, why: str) -> None:
        del self._connecting[lease]
        self._serve_waiting()
        lease.on_connect_failed(UpstreamUnreachable(why))

    def _serve_waiting(self) -> None:
        """Connect for those who wait, the first in the queue first, as far as there is room."""
        while self._waiting and self.size < self._dialler.limits.connections:
            self._begin(self._waiting.popleft())


class Dialler:
    """All pools of a process."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        tls: ssl.SSLContext,
        proxies: ProxyRules,
        limits: PoolLimits,
        on_opened: Callable[[], None] = lambda: None,
    ) -> None:
        self.outbox = Outbox(loop.call_soon)
        self.loop = loop
        self.tls = tls
        self.proxies = proxies
        self.limits = limits
        self.on_opened = on_opened
        self.clock = loop.time
        self.closing = False
        self._pools: dict[Origin, Pool] = {}

    def pool(self, origin: Origin) -> Pool:
        """Return the pool of an origin. Raises Overloaded when more origins are in use than a configuration has."""
        pool = self._pools.get(origin)
        if pool is None:
            if len(self._pools) >= 4096:
                self._drop_unused()
            if len(self._pools) >= 4096:
                raise Overloaded("too many different upstreams are in use at once")
            pool = self._pools[origin] = Pool(origin, self)
        return pool

    @property
    def size(self) -> int:
        """How many connections there are, open or being opened."""
        return sum(pool.size for pool in self._pools.values())

    def sweep(self) -> None:
        now = self.clock()
        for pool in self._pools.values():
            pool.sweep(now)

    def close(self) -> None:
        self.closing = True
        for pool in self._pools.values():
            pool.close()

    def _drop_unused(self) -> None:
        for origin, pool in tuple(self._pools.items()):
            if pool.size == 0:
                del self._pools[origin]
