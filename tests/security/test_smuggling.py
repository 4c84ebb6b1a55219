"""Request smuggling and malformed requests: refused and closed, or understood in exactly one way (RFC 9112 §11)."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.gateway.limits import WorkerLimits
from tests.gateway.conftest import Upstream, answering, json_answer, running_node
from tests.security.raw import (
    BODY,
    CHAT,
    KEY,
    SMUGGLED,
    UPSTREAM_ANSWER,
    Case,
    call,
    chunk,
    chunked,
    head,
    play,
)

Runner = Callable[[Awaitable[Any]], Any]
LENGTH = b"Content-Length: %d" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked"
CHUNKED_BODY = chunk(BODY) + b"0\r\n\r\n"
LIMITS = WorkerLimits(max_header_bytes=16 * 1024, max_body_bytes=64 * 1024, drain_timeout=0.2)


def bad_length(value: bytes) -> bytes:
    return head(b"Content-Length: " + value) + BODY + SMUGGLED


def bad_coding(line: bytes) -> bytes:
    return head(line) + CHUNKED_BODY + SMUGGLED


def bad_line(line: bytes) -> bytes:
    return head(LENGTH, line) + BODY + SMUGGLED


def bad_chunks(*chunks: bytes) -> bytes:
    return chunked(*chunks) + SMUGGLED


FRAMING = [
    Case("length and coding", head(LENGTH, CHUNKED) + CHUNKED_BODY + SMUGGLED),
    Case("coding and length", head(CHUNKED, b"Content-Length: 4") + CHUNKED_BODY + SMUGGLED),
    Case("coding and length 0", head(CHUNKED, b"Content-Length: 0") + CHUNKED_BODY + SMUGGLED),
    Case("two equal lengths", head(LENGTH, LENGTH) + BODY + SMUGGLED),
    Case("two different lengths", head(LENGTH, b"Content-Length: 0") + BODY + SMUGGLED),
    Case("two lengths in one line", bad_length(b"%d, %d" % (len(BODY), len(BODY)))),
    Case("a plus in the length", bad_length(b"+%d" % len(BODY))),
    Case("a negative length", bad_length(b"-1")),
    Case("a hexadecimal length", bad_length(b"0x10")),
    Case("an underscore in the length", bad_length(b"4_6")),
    Case("a fraction in the length", bad_length(b"46.0")),
    Case("a space in the length", bad_length(b"4 6")),
    Case("an enormous length", bad_length(b"9" * 25)),
    Case("a length of letters", bad_length(b"abc")),
    Case("a length of other digits", bad_length("\uff14\uff16".encode())),
    Case("a length with NUL", bad_length(b"46\x00")),
    Case("an empty length", bad_length(b"")),
    Case("space before the colon of the length", head(b"Content-Length : %d" % len(BODY)) + BODY + SMUGGLED),
    Case("xchunked", bad_coding(b"Transfer-Encoding: xchunked")),
    Case("chunked, identity", bad_coding(b"Transfer-Encoding: chunked, identity")),
    Case("identity, chunked", bad_coding(b"Transfer-Encoding: identity, chunked")),
    Case("chunked, chunked", bad_coding(b"Transfer-Encoding: chunked, chunked")),
    Case("gzip, chunked", bad_coding(b"Transfer-Encoding: gzip, chunked")),
    Case("identity", bad_coding(b"Transfer-Encoding: identity")),
    Case("an empty coding", bad_coding(b"Transfer-Encoding:")),
    Case("quoted coding", bad_coding(b'Transfer-Encoding: "chunked"')),
    Case("coding with a parameter", bad_coding(b"Transfer-Encoding: chunked;q=1")),
    Case("vertical tab before the coding", bad_coding(b"Transfer-Encoding: \x0bchunked")),
    Case("vertical tab after the coding", bad_coding(b"Transfer-Encoding: chunked\x0b")),
    Case("NUL after the coding", bad_coding(b"Transfer-Encoding: chunked\x00")),
    Case("space before the colon of the coding", bad_coding(b"Transfer-Encoding : chunked")),
    Case("tab before the colon of the coding", bad_coding(b"Transfer-Encoding\t: chunked")),
    Case("coding in a folded line", bad_coding(b"Transfer-Encoding:\r\n chunked")),
    Case("coding in a continued line", bad_coding(b"X: 1\r\n Transfer-Encoding: chunked")),
    Case("two codings in two lines", bad_coding(CHUNKED + b"\r\nTransfer-Encoding: identity")),
    Case("chunked twice", bad_coding(CHUNKED + b"\r\n" + CHUNKED)),
    Case("coding on HTTP/1.0", head(CHUNKED, version=b"HTTP/1.0") + CHUNKED_BODY + SMUGGLED),
    Case("coding behind a bare LF", bad_coding(b"X: 1\n" + CHUNKED)),
    Case("coding behind a bare CR", bad_coding(b"X: 1\r" + CHUNKED)),
]

LINES = [
    Case("only bare LF", call().replace(b"\r\n", b"\n") + SMUGGLED),
    Case("a bare LF after a header", bad_line(b"X: 1\nY: 2")),
    Case("a bare CR in a value", bad_line(b"X: 1\rY: 2")),
    Case("a bare CR in a name", bad_line(b"X\rY: 2")),
    Case("CR CR LF", bad_line(b"X: 1\r")),
    Case("an empty line of LF alone", head(LENGTH)[:-4] + b"\n\n" + BODY + SMUGGLED),
    Case("a folded header", bad_line(b"X: 1\r\n 2")),
    Case("a header folded by tab", bad_line(b"X: 1\r\n\t2")),
    Case("NUL in a value", bad_line(b"X: 1\x002")),
    Case("NUL in a name", bad_line(b"X\x00: 1")),
    Case("a control character in a value", bad_line(b"X: \x01")),
    Case("DEL in a value", bad_line(b"X: \x7f")),
    Case("space before a colon", bad_line(b"X : 1")),
    Case("no name", bad_line(b": 1")),
    Case("no colon", bad_line(b"X")),
    Case("a space in a name", bad_line(b"X Y: 1")),
    Case("a parenthesis in a name", bad_line(b"X(Y): 1")),
    Case("a letter beyond ASCII in a name", bad_line("é: 1".encode())),
    Case("white space before the first header", head(LENGTH).replace(b"Host", b" Host") + BODY + SMUGGLED),
    Case("no Host", call().replace(b"Host: gantry\r\n", b"") + SMUGGLED),
    Case("two Hosts", call(BODY, b"Host: gantry") + SMUGGLED),
    Case("two Hosts in one line", call().replace(b"Host: gantry", b"Host: gantry, other") + SMUGGLED),
]

REQUEST_LINES = [
    Case("HTTP/0.9", b"GET /healthz\r\n\r\n" + SMUGGLED),
    Case("no version", b"POST " + CHAT + b"\r\nHost: gantry\r\n\r\n" + SMUGGLED),
    Case("HTTP/2.0", head(LENGTH, version=b"HTTP/2.0") + BODY + SMUGGLED),
    Case("HTTP/1.2", head(LENGTH, version=b"HTTP/1.2") + BODY + SMUGGLED),
    Case("a version in lower case", head(LENGTH, version=b"http/1.1") + BODY + SMUGGLED),
    Case("another protocol", head(LENGTH, version=b"ICE/1.0") + BODY + SMUGGLED),
    Case("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED),
    Case("a method in lower case", head(LENGTH, method=b"post") + BODY + SMUGGLED),
    Case("an unknown method", head(LENGTH, method=b"STEAL") + BODY + SMUGGLED),
    Case("two spaces", head(LENGTH, path=b" " + CHAT) + BODY + SMUGGLED),
    Case("two spaces before the version", head(LENGTH, path=CHAT + b" ") + BODY + SMUGGLED),
    Case("a tab", head(LENGTH).replace(b"POST ", b"POST\t") + BODY + SMUGGLED),
    Case("a space in the target", head(LENGTH, path=CHAT + b" x") + BODY + SMUGGLED),
    Case("NUL in the target", head(LENGTH, path=CHAT + b"\x00") + BODY + SMUGGLED),
    Case("an absolute target", head(LENGTH, path=b"http://evil.example/v1/chat/completions") + BODY + SMUGGLED),
    Case("an authority as target", head(LENGTH, path=b"evil.example:443") + BODY + SMUGGLED),
    Case("a request line that starts with a space", b" " + call() + SMUGGLED),
    Case("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64),
    Case("CONNECT", b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n" + SMUGGLED, (400,)),
    Case("an asterisk", head(LENGTH, method=b"OPTIONS", path=b"*") + BODY + SMUGGLED),
]

CHUNKS = [
    Case("a size of letters", bad_chunks(b"g\r\n", BODY)),
    Case("an empty size", bad_chunks(b"\r\n", BODY)),
    Case("a size that overflows", bad_chunks(b"1" + b"0" * 16 + b"\r\n", BODY)),
    Case("a size of 1,000 digits", bad_chunks(b"0" * 1000 + b"5\r\nhello\r\n")),
    Case("a negative size", bad_chunks(b"-5\r\nhello\r\n")),
    Case("a size with a plus", bad_chunks(b"+5\r\nhello\r\n")),
    Case("a size with 0x", bad_chunks(b"0x5\r\nhello\r\n")),
    Case("a size with an underscore", bad_chunks(b"0_5\r\nhello\r\n")),
    Case("a size after a space", bad_chunks(b" 5\r\nhello\r\n")),
    Case("a bare LF after the size", bad_chunks(b"5\nhello\r\n0\r\n\r\n")),
    Case("a bare CR after the size", bad_chunks(b"5\rhello\r\n0\r\n\r\n")),
    Case("a bare LF after the data", bad_chunks(b"5\r\nhello\n0\r\n\r\n")),
    Case("a chunk longer than its size", bad_chunks(b"5\r\nhello!\r\n0\r\n\r\n")),
    Case("a chunk shorter than its size", bad_chunks(b"6\r\nhello\r\n0\r\n\r\n")),
    Case("an extension without an end", bad_chunks(b"5;" + b"x" * 5000)),
    Case("a long extension", bad_chunks(b"5;" + b"x" * 5000 + b"\r\nhello\r\n0\r\n\r\n")),
    Case("NUL in an extension", bad_chunks(b"5;\x00\r\nhello\r\n0\r\n\r\n")),
    Case("a bare LF in an extension", bad_chunks(b"5;a\nb\r\nhello\r\n0\r\n\r\n")),
    Case("a trailer with a space before its colon", bad_chunks(chunk(BODY), b"0\r\nX : 1\r\n\r\n")),
    Case("a trailer without a colon", bad_chunks(chunk(BODY), b"0\r\nX\r\n\r\n")),
    Case("a folded trailer", bad_chunks(chunk(BODY), b"0\r\nX: 1\r\n 2\r\n\r\n")),
    Case("endless trailers", bad_chunks(chunk(BODY), b"0\r\n", b"X: 1\r\n" * 3000, b"\r\n")),
    Case("trailers that end in LF", bad_chunks(chunk(BODY), b"0\r\n\n")),
]

BOUNDS = [
    Case("a long request line", head(LENGTH, path=CHAT + b"?" + b"x" * 20_000) + BODY + SMUGGLED, (431,)),
    Case("a long header", bad_line(b"X: " + b"x" * 20_000), (431,)),
    Case("a long header without an end", head(b"X: " + b"x" * 20_000)[:-4], (431,)),
    Case("too many headers", bad_line(b"\r\n".join(b"X-%d: 1" % n for n in range(200))), (431,)),
    Case("a body over the limit", head(b"Content-Length: 70000") + b"x" * 100, (413,)),
    Case("chunks over the limit", chunked(*[chunk(b"x" * 1000)] * 70), (413,)),
]

UNDERSTOOD = [
    Case("a tab before the coding", head(b"Transfer-Encoding:\tchunked") + CHUNKED_BODY, (200,), 1, False),
    Case("the coding in capitals", head(b"TRANSFER-ENCODING: CHUNKED") + CHUNKED_BODY, (200,), 1, False),
    Case("a size with zeros in front", chunked(b"00" + chunk(BODY), b"000\r\n\r\n"), (200,), 1, False),
    Case("an extension", chunked(b"%x;a=b\r\n%b\r\n" % (len(BODY), BODY), b"0;c\r\n\r\n"), (200,), 1, False),
    Case("empty lines in front", b"\r\n\r\n" + call(), (200,), 1, False),
    Case("two pipelined requests", call() + call(), (200, 200), 2, False),
    Case("a pipelined request that is malformed", call() + b"\x00" + SMUGGLED, (200, 400), 1),
    Case("a request behind a close", call(BODY, b"Connection: close") + SMUGGLED, (200,), 1),
    Case("HTTP/1.0 without Host", call().replace(b"1.1\r\nHost: gantry", b"1.0"), (200,), 1),
    Case("Expect with the body in hand", call(BODY, b"Expect: 100-continue"), (200,), 1, False),
    Case("an offer of HTTP/2", call(BODY, b"Connection: upgrade", b"Upgrade: h2c"), (200,), 1, False),
    Case("an offer of a web socket", call(BODY, b"Connection: Upgrade", b"Upgrade: websocket"), (200,), 1, False),
]  # fmt: skip

PATHS = [
    Case(f"path {path.decode()}", call(b"", path=path, method=b"GET"), (400,))
    for path in (
        b"/v1/../admin", b"/v1/./models", b"/api/../v1/models", b"/v1/%2e%2e/admin", b"/v1/%2E./admin", b"/v1/.%2e/x",
        b"/v1/..;/x", b"/v1/..;a=b/x", b"/v1/%2e%2e;/x", b"/v1/files/..", b"/v1/files/%00", b"/v1/files/a%0d%0aX:1",
        b"/v1/files/a%0A", b"/v1/files/a%5c..%5cb", b"/v1/files/a%2f..%2fb", b"/v1/files/..%2f..%2fadmin",
        b"/v1/files/%2e%2e%2fadmin", b"/v1//../admin", b"/v1/files/a\\..\\b",
    )
]  # fmt: skip

ALL = [*FRAMING, *LINES, *REQUEST_LINES, *CHUNKS, *BOUNDS, *UNDERSTOOD, *PATHS]


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_no_request_is_understood_in_two_ways(run: Runner, tmp_path: Path, case: Case) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(UPSTREAM_ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url, limits=LIMITS) as node,
        ):
            await play(case, node, upstream)
            for line in (b"transfer_encoding", b"upgrade", b"http2-settings", b"expect", b"trailer"):
                assert b"\r\n" + line not in upstream.heard.lower()
            assert KEY not in upstream.heard
            assert node.key.encode() not in upstream.heard

    run(main())
