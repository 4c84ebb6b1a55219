"""Opening a connection over real sockets: addresses, TLS, and tunnels through a proxy."""

import asyncio
import base64
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from gantry.dial.origin import Origin, ProxyRules
from tests.dial.certificates import Authority
from tests.dial.loopback import Caller, Peer, Script, Server, answering, dialler, leaving, listening, turns

Runner = Callable[[Coroutine[Any, Any, None]], None]
CREDENTIALS = base64.b64encode(b"user:pass word").decode()


async def connect(origin: Origin, *, tls: ssl.SSLContext | None = None, proxy: str | None = None) -> Caller:
    """Lease a connection and return the caller once the lease has ended."""
    caller = Caller()
    dialler(tls=tls, proxies=ProxyRules(proxy, proxy)).pool(origin).lease(caller)
    await caller.served.wait()
    return caller


async def assert_refused(origin: Origin, *words: str, tls: ssl.SSLContext | None = None) -> None:
    caller = await connect(origin, tls=tls)
    assert caller.heard == ["connect failed"]
    for word in words:
        assert word in caller.message


# Straight


def test_a_name_is_resolved_and_every_address_tried(run: Runner) -> None:
    async def main() -> None:
        async with Server(answering).running() as server:
            caller = await connect(server.origin(host="localhost"))  # perhaps [::1] first, where nobody listens
            assert await caller.fetch() == b"ok"
            assert caller.connect_time is not None

    run(main())


def test_a_private_address_is_refused_before_a_single_packet(run: Runner) -> None:
    async def main() -> None:
        async with Server(answering).running() as server:
            for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1"):
                await assert_refused(Origin("http", host, server.port, private=False), "only the operator may name one")
            assert server.peers == []

    run(main())


def test_failures_say_to_whom_and_why(run: Runner) -> None:
    async def main() -> None:
        async with Server(answering).running() as server:
            port = server.port
        await assert_refused(Origin("http", "127.0.0.1", port, private=True), f"127.0.0.1:{port}", "refused")
        await assert_refused(Origin("http", "no-such-host.invalid", 80), "no-such-host.invalid does not resolve")
        await assert_refused(Origin("http", f"{'a' * 64}.example", 80), "cannot connect to aaaa")
        await assert_refused(Origin("http", "a..example", 80), "a..example")
        await assert_refused(Origin("http", "169.254.169.254", 80, private=True), "not an address")

    run(main())


def test_a_socket_of_this_machine(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "s"
        origin = Origin("http", "console", 80, unix_path=str(path))
        await assert_refused(origin, "console", "No such file")
        async with Server(answering).running(path=path):
            assert await (await connect(origin)).fetch() == b"ok"

    run(main())


# TLS


@pytest.mark.parametrize(("names", "host"), [(("localhost",), "localhost"), (("127.0.0.1",), "127.0.0.1")])
def test_a_private_ca_is_trusted_through_its_bundle(
    run: Runner, authority: Authority, names: tuple[str, ...], host: str
) -> None:
    async def main() -> None:
        async with Server(answering).running(authority.serving(*names)) as server:
            caller = await connect(server.origin("https", host), tls=authority.trusting())
            assert await caller.fetch() == b"ok"

    run(main())


def test_an_unknown_ca_is_refused_in_words_that_name_the_setting(
    run: Runner, authority: Authority, stranger: Authority
) -> None:
    async def main() -> None:
        async with Server(listening).running(authority.serving("localhost")) as server:
            origin = server.origin("https", "localhost")
            for tls in (None, stranger.trusting()):
                await assert_refused(
                    origin, f"certificate of localhost:{server.port} is not trusted", "setting ca_bundle", tls=tls
                )

    run(main())


def test_the_certificate_must_name_the_server(run: Runner, authority: Authority) -> None:
    async def main() -> None:
        async with Server(listening).running(authority.serving("other.example", "10.0.0.1")) as server:
            for host, word in (("localhost", "Hostname mismatch"), ("127.0.0.1", "IP address mismatch")):
                await assert_refused(server.origin("https", host), word, tls=authority.trusting())

    run(main())


def test_tls_to_what_speaks_none(run: Runner, authority: Authority) -> None:
    async def garbling(peer: Peer) -> None:
        await peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def main() -> None:
        for script in (garbling, leaving):
            async with Server(script).running() as server:
                await assert_refused(server.origin("https", "localhost"), "cannot connect to localhost")

    run(main())


# Through a proxy


class Proxy:
    """A scripted proxy: notes what it is asked, and tunnels to where the test says, whatever the name was."""

    def __init__(self, target: Server | None = None, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"):
        self.asked: list[bytes] = []
        self._target = target
        self._answer = answer

    async def __call__(self, peer: Peer) -> None:
        self.asked.append(await peer.head())
        await peer.say(self._answer)
        if self._target is None:
            await listening(peer)
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", self._target.port)
        await asyncio.gather(_copy(peer.reader, writer), _copy(reader, peer.writer), return_exceptions=True)
        writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


def test_a_plain_origin_through_a_proxy(run: Runner) -> None:
    async def main() -> None:
        async with Server(answering).running() as origin:
            proxy = Proxy(origin)
            async with Server(proxy).running() as server:
                caller = await connect(
                    Origin("http", "api.example", 8080), proxy=f"http://user:pass%20word@127.0.0.1:{server.port}"
                )
                assert await caller.fetch() == b"ok"
                head = b"CONNECT api.example:8080 HTTP/1.1\r\nHost: api.example:8080\r\n"
                assert proxy.asked == [head + f"Proxy-Authorization: Basic {CREDENTIALS}\r\n\r\n".encode()]
                assert caller.connection is not None
                caller.connection.abort()
                await origin.peers[0].gone.wait()

    run(main())


def test_a_tls_origin_through_a_proxy_is_checked_end_to_end(
    run: Runner, authority: Authority, stranger: Authority
) -> None:
    async def main() -> None:
        async with Server(answering).running(authority.serving("api.example")) as origin:
            async with Server(Proxy(origin)).running() as server:
                proxy = f"127.0.0.1:{server.port}"  # as many write it
                caller = await connect(Origin("https", "api.example", 443), tls=authority.trusting(), proxy=proxy)
                assert await caller.fetch() == b"ok"
                for host, tls, word in (
                    ("api.example", stranger.trusting(), "certificate of api.example is not trusted"),
                    ("other.example", authority.trusting(), "Hostname mismatch"),
                ):
                    caller = await connect(Origin("https", host, 443), tls=tls, proxy=proxy)
                    assert caller.heard == ["connect failed"]
                    assert word in caller.message
                    await server.peers[-1].gone.wait()

    run(main())


def test_a_proxy_that_speaks_tls_itself(run: Runner, authority: Authority, stranger: Authority) -> None:
    async def main() -> None:
        async with Server(answering).running(authority.serving("api.example")) as origin:
            async with Server(Proxy(origin)).running(authority.serving("localhost")) as server:
                proxy = f"https://localhost:{server.port}"
                wanted = Origin("https", "api.example", 443)
                assert await (await connect(wanted, tls=authority.trusting(), proxy=proxy)).fetch() == b"ok"
                caller = await connect(wanted, tls=stranger.trusting(), proxy=proxy)
                assert "cannot connect to the proxy localhost" in caller.message

    run(main())


def test_an_ipv6_origin_is_named_in_brackets(run: Runner) -> None:
    async def main() -> None:
        async with Server(answering).running() as origin:
            proxy = Proxy(origin)
            async with Server(proxy).running() as server:
                await connect(Origin("http", "2001:db8::1", 80, private=True), proxy=f"http://127.0.0.1:{server.port}")
                assert proxy.asked[0].startswith(b"CONNECT [2001:db8::1]:80 HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n")

    run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "::ffff:7f00:1", "localhost", "a.localhost"])
def test_what_a_caller_names_by_its_address_is_judged_before_a_proxy_is_asked(run: Runner, host: str) -> None:
    async def main() -> None:
        async with Server(answering).running() as origin:
            proxy = Proxy(origin)
            async with Server(proxy).running() as server:
                own, theirs = (Origin("http", host, 80, private=private) for private in (True, False))
                caller = await connect(theirs, proxy=f"http://127.0.0.1:{server.port}")
                assert (caller.heard, proxy.asked) == (["connect failed"], [])
                assert "only the operator may name one" in caller.message
                await connect(own, proxy=f"http://127.0.0.1:{server.port}")
                assert len(proxy.asked) == 1

    run(main())


@pytest.mark.parametrize("private", [True, False])
def test_metadata_is_asked_for_through_no_proxy_either(run: Runner, private: bool) -> None:
    async def main() -> None:
        async with Server(answering).running() as origin:
            proxy = Proxy(origin)
            async with Server(proxy).running() as server:
                wanted = Origin("http", "169.254.169.254", 80, private=private)
                caller = await connect(wanted, proxy=f"http://127.0.0.1:{server.port}")
                assert (caller.heard, proxy.asked) == (["connect failed"], [])

    run(main())


async def saying_half(peer: Peer) -> None:
    await peer.head()
    await peer.say(b"HTTP/1.1 200 OK\r\nx:")


REFUSALS: dict[str, tuple[Script, str]] = {
    "credentials wanted": (
        Proxy(answer=b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 2\r\n\r\nno"),
        "the proxy 127.0.0.1 refused a tunnel to api.example:443 with status 407",
    ),
    "forbidden": (Proxy(answer=b"HTTP/1.0 403 Forbidden\r\n\r\n"), "with status 403"),
    "redirect": (Proxy(answer=b"HTTP/1.1 302 Found\r\nlocation: https://evil.example\r\n\r\n"), "with status 302"),
    "garbage": (Proxy(answer=b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "malformed HTTP response"),
    "endless": (Proxy(answer=b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 4000), "the proxy's answer has no end"),
    "leaves at once": (leaving, "closed the connection"),
    "leaves inside its answer": (saying_half, "closed the connection"),
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_is_told_apart_and_left(run: Runner, name: str, scheme: str) -> None:
    script, words = REFUSALS[name]

    async def main() -> None:
        async with Server(script).running() as server:
            caller = await connect(Origin(scheme, "api.example", 443), proxy=f"http://127.0.0.1:{server.port}")
            assert caller.heard == ["connect failed"]
            assert words in caller.message
            await server.peers[0].gone.wait()

    run(main())


def test_a_tunnel_that_closes_as_it_opens(run: Runner) -> None:
    async def opening_and_leaving(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\n")

    async def main() -> None:
        async with Server(opening_and_leaving).running() as server:
            for scheme in ("http", "https") * 5:
                caller = await connect(Origin(scheme, "api.example", 443), proxy=f"http://127.0.0.1:{server.port}")
                if caller.connection is not None:  # the close came after; then whoever asks hears of it
                    caller.ask()
                    await caller.over.wait()
                    assert caller.heard == ["connection", "failure"]
                else:
                    assert caller.heard == ["connect failed"]

    run(main())


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("http://", "the proxy's URL has no host"),
        ("http://127.0.0.1:port", "cannot connect to api.example"),
        ("http://[::1", "cannot connect to api.example"),
        ("http://no-such-proxy.invalid:1", "cannot connect to the proxy no-such-proxy.invalid"),
    ],
)
def test_a_proxy_that_is_none(run: Runner, proxy: str, words: str) -> None:
    async def main() -> None:
        caller = await connect(Origin("http", "api.example", 80), proxy=proxy)
        assert caller.heard == ["connect failed"]
        assert words in caller.message

    run(main())


@pytest.mark.parametrize("road", ["proxy is silent", "tls is silent", "tls inside a tunnel is silent"])
def test_cancelling_closes_what_was_being_opened(run: Runner, road: str) -> None:
    async def main() -> None:
        proxy = Proxy() if road.startswith("tls inside") else listening
        async with Server(proxy).running() as server:
            url = f"http://127.0.0.1:{server.port}" if road != "tls is silent" else None
            pool = dialler(proxies=ProxyRules(url, url)).pool(server.origin("https"))
            caller = Caller()
            pool.lease(caller)
            await server.met.acquire()
            await turns()
            pool.cancel(caller)
            await server.peers[0].gone.wait()
            assert caller.heard == []
            assert pool.size == 0

    run(main())
