"""Cases of raw bytes to a worker: what is sent, what must be answered, and what alone may reach the upstream."""

import asyncio
import re
from typing import Final, NamedTuple

from tests.gateway.conftest import Answer, Node, Upstream

CHAT: Final = b"/api/v1/chat/completions"
KEY: Final = b"<KEY>"  # stands for the API key, which is made when the worker starts
BODY: Final = b'{"model":"mistral-small-latest","messages":[]}'
UPSTREAM_ANSWER: Final = b'{"id":"1","object":"chat.completion","choices":[]}'
REFUSED: Final = (400,)

_REQUEST_LINE: Final = re.compile(rb"[A-Z]+ /[^ ]* HTTP/1\.1\r\n")
_SECONDS: Final = 10.0


class Case(NamedTuple):
    """`statuses` are those of the answers in order; after the last one the connection is closed if `closes`."""

    name: str
    payload: bytes
    statuses: tuple[int, ...] = REFUSED
    reaches_upstream: int = 0
    closes: bool = True


def head(*lines: bytes, path: bytes = CHAT, method: bytes = b"POST", version: bytes = b"HTTP/1.1") -> bytes:
    """Return a request's head with a Host, a key and these lines."""
    first = b"%b %b %b" % (method, path, version)
    return b"\r\n".join((first, b"Host: gantry", b"Authorization: Bearer " + KEY, *lines, b"", b""))


def call(body: bytes = BODY, *lines: bytes, path: bytes = CHAT, method: bytes = b"POST") -> bytes:
    """Return a well-formed request."""
    return head(b"Content-Length: %d" % len(body), *lines, path=path, method=method) + body


def chunked(*chunks: bytes, lines: tuple[bytes, ...] = ()) -> bytes:
    """Return a request with these bytes as its chunked body."""
    return head(b"Transfer-Encoding: chunked", *lines) + b"".join(chunks)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


SMUGGLED: Final = call(b'{"model":"mistral-smuggled","messages":[]}')


async def play(case: Case, node: Node, upstream: Upstream) -> list[Answer]:
    """Send a case's bytes, return the answers, and check all that must hold for any case."""
    client = await node.connect()
    client.send(case.payload.replace(KEY, node.key.encode()))
    answers = [await asyncio.wait_for(client.answer(), _SECONDS) for _ in case.statuses]
    assert tuple(answer.status for answer in answers) == case.statuses, [answer.body for answer in answers]
    if case.closes:
        assert answers[-1].headers.get("connection") == "close", "the answer does not say that the connection ends"
        client.send(SMUGGLED.replace(KEY, node.key.encode()))
    barrier = await node.ask(CHAT.decode(), BODY.replace(b"small", b"barrier"))
    assert barrier.status == 200, "the worker does not serve others any more"
    assert b"smuggled" not in upstream.heard, "a smuggled request reached the upstream"
    heard = len(_REQUEST_LINE.findall(upstream.heard)) - 1
    assert heard == case.reaches_upstream, upstream.heard
    client.leave()
    for answer in answers:
        assert node.key.encode() not in answer.body
    return answers
