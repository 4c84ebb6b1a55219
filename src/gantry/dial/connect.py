"""Opening one connection: resolve, check each address, connect to what was checked, tunnel through a proxy, speak TLS.

The name is resolved here and not by the event loop's connector, so that the address checked is the address used: a name
that answers differently the second time (DNS rebinding) gains nothing. A proxy resolves names itself, so where one
leads is for it to judge; what a URL names by its address is judged here all the same.
"""

import asyncio
import base64
import socket
import ssl
from collections.abc import Callable
from typing import cast
from urllib.parse import SplitResult, unquote, urlsplit

from gantry.dial.connection import UpstreamConnection
from gantry.dial.origin import AddressRefused, Origin, check_address
from gantry.wire.body import FramingError
from gantry.wire.head import parse_response_head

_MAX_PROXY_HEAD = 16 * 1024
_THIS_MACHINE = "localhost"


class ConnectFailed(OSError):
    """No connection could be made; the message says to whom and why, for a person to read."""


async def open_connection(
    loop: asyncio.AbstractEventLoop,
    origin: Origin,
    factory: Callable[[], UpstreamConnection],
    *,
    tls: ssl.SSLContext,
    proxy: str | None,
) -> UpstreamConnection:
    """Return a new connection to an origin. Raises ConnectFailed."""
    context = tls if origin.scheme == "https" else None
    try:
        if origin.unix_path is not None:
            _, connection = await loop.create_unix_connection(factory, origin.unix_path)
            return connection
        if proxy is not None:
            await _check_host(loop, origin)
            return await _connect_through(loop, origin, proxy, factory, context, tls)
        return await _connect_straight(loop, origin, factory, context)
    except ssl.SSLCertVerificationError as error:
        raise ConnectFailed(
            f"the certificate of {origin.authority} is not trusted: {error.verify_message}. "
            "For a private CA, name its bundle in the setting ca_bundle."
        ) from None
    except ConnectFailed:
        raise
    except (OSError, ValueError) as error:  # of sockets and TLS; of names that are none, addresses, and a proxy's words
        raise ConnectFailed(f"cannot connect to {origin.authority}: {_reason(error)}") from None


async def _connect_straight(
    loop: asyncio.AbstractEventLoop,
    origin: Origin,
    factory: Callable[[], UpstreamConnection],
    context: ssl.SSLContext | None,
) -> UpstreamConnection:
    failure: Exception = OSError("the name has no address")
    for address in await _resolve(loop, origin.host, origin.port):
        try:
            check_address(address, private=origin.private)
            _, connection = await loop.create_connection(
                factory,
                address,
                origin.port,
                ssl=context,
                server_hostname=origin.host if context is not None else None,
            )
        except ssl.SSLCertVerificationError:
            raise
        except (OSError, AddressRefused) as error:
            failure = error
        else:
            return connection
    raise failure


async def _check_host(loop: asyncio.AbstractEventLoop, origin: Origin) -> None:
    """Raise AddressRefused for a host that is an address, in any spelling, to which a connection may not go."""
    if origin.host == _THIS_MACHINE or origin.host.endswith(f".{_THIS_MACHINE}"):  # RFC 6761 §6.3
        check_address("127.0.0.1", private=origin.private)
    try:
        infos = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return  # a name
    for info in infos:
        check_address(str(info[4][0]), private=origin.private)


async def _resolve(loop: asyncio.AbstractEventLoop, host: str, port: int) -> list[str]:
    try:
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise ConnectFailed(f"the name {host} does not resolve: {error.strerror}") from None
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


async def _connect_through(
    loop: asyncio.AbstractEventLoop,
    origin: Origin,
    proxy: str,
    factory: Callable[[], UpstreamConnection],
    context: ssl.SSLContext | None,
    proxy_tls: ssl.SSLContext,
) -> UpstreamConnection:
    """Tunnel with CONNECT (RFC 9110 §9.3.6). The proxy is the operator's: it resolves names, and may be anywhere."""
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if not parts.hostname:
        raise ConnectFailed("the proxy's URL has no host")
    try:
        _, tunnel = await loop.create_connection(
            _Tunnel,
            parts.hostname,
            parts.port or (443 if parts.scheme == "https" else 8080),
            ssl=proxy_tls if parts.scheme == "https" else None,
        )
    except OSError as error:
        raise ConnectFailed(f"cannot connect to the proxy {parts.hostname}: {_reason(error)}") from None
    try:
        await tunnel.open(parts, origin.host_and_port)
        return await _take_over(loop, tunnel, origin, factory(), context)
    except BaseException:  # also a cancelled task: nobody else would close the tunnel
        tunnel.transport.abort()
        raise


async def _take_over(
    loop: asyncio.AbstractEventLoop,
    tunnel: "_Tunnel",
    origin: Origin,
    connection: UpstreamConnection,
    context: ssl.SSLContext | None,
) -> UpstreamConnection:
    """Make an open tunnel the connection's."""
    transport: asyncio.BaseTransport | None = tunnel.transport
    if context is not None:
        transport = await loop.start_tls(tunnel.transport, connection, context, server_hostname=origin.host)
    else:
        tunnel.transport.set_protocol(connection)
    if transport is None:
        raise ConnectionError("the proxy closed the tunnel")
    connection.connection_made(transport)
    return connection


class _Tunnel(asyncio.Protocol):
    """Asks a proxy for a tunnel and waits for its word."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    async def open(self, proxy: SplitResult, target: str) -> None:
        """Have the proxy connect to the target. Raises ConnectFailed, ConnectionError and FramingError."""
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if proxy.username:
            login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
            lines.append(f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}")
        if self.transport.is_closing():
            raise ConnectionError(f"the proxy {proxy.hostname} closed the connection at once")
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write("\r\n".join([*lines, "", ""]).encode())
        status = await self._answer
        if not 200 <= status < 300:
            raise ConnectFailed(f"the proxy {proxy.hostname} refused a tunnel to {target} with status {status}")
        if self.transport.is_closing():
            raise ConnectionError(f"the proxy {proxy.hostname} closed the tunnel to {target}")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if self._answer is None or self._answer.done() or (end < 0 and len(self._buffer) <= _MAX_PROXY_HEAD):
            return
        try:
            if end < 0:
                raise FramingError("the proxy's answer has no end")
            self._answer.set_result(parse_response_head(self._buffer[: end + 4]).status)
        except FramingError as error:
            self._answer.set_exception(error)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the proxy closed the connection"))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
