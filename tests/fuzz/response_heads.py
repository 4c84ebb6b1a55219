"""Fuzz target: wire/recognise against wire/head.

Laws: a response head that is recognised says what it would have said parsed: status, framing, every header, and the
lines that go on to a client; one that parsing refuses is never recognised; so with a request head and its template.
"""

from random import Random
from typing import Final

from gantry.core.errors import HeadersTooLarge, InvalidRequest
from gantry.gateway.headers import encode_client_headers, read_kind
from gantry.wire.body import FramingError
from gantry.wire.head import RequestHead, ResponseHead, parse_request_head, parse_response_head
from gantry.wire.recognise import HeadTemplate, ResponseHeads

_STATUSES: Final = (b"200 OK", b"200 OK", b"200", b"204 No Content", b"304 Not Modified", b"404 x", b"100 Continue")
_LINES: Final = (
    b"Content-Type: application/json", b"Content-Type: text/event-stream", b"content-type:application/json; x=1",
    b"Content-Length: 5", b"Content-Length: 17", b"content-length:\t5 ", b"Content-Length: 007",
    b"Content-Length: 5, 5",
    b"Content-Length: +5", b"Content-Length:", b"Content-Length: 1234567890123456789", b"Content-Length: 5\x0b",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Connection: close", b"Connection: keep-alive",
    b"Connection: x-id, close", b"Content-Encoding: gzip", b"x-id: 1", b"x-id: 22", b"X-Id:", b"x-id: a%b", b"x%y: 1",
    b"x-id: \xc3\xa9", b"x-id: \x01", b"x-id: \x7f", b"x-id: a\tb ", b"x-id : 1", b"x-id: a\x00", b"x-id: a\nb",
    b"x-id: a\rb",
    b"Date: Sun, 22 Nov 2026 12:00:00 GMT", b"set-cookie: a=b", b"x-model-deprecation-timestamp: 1", b"Trailer: x-id",
    b"Upgrade: h2c", b" folded", b"x-id", b": 1", b"server: x", b"Keep-Alive: timeout=5", b"Proxy-Connection: close",
)  # fmt: skip
_REQUESTS: Final = (b"POST /v1/x HTTP/1.1", b"POST /v1/y HTTP/1.1", b"GET /v1/x HTTP/1.0", b"POST  /v1/x HTTP/1.1")
_BYTES: Final = b"\t\r\n :%,05a\x00\x7f\x80\xff"


def make_input(random: Random) -> bytes:
    """Return some heads of one shape, a few of them damaged, after each other with a mark between."""
    if random.random() < 0.3:
        lines = [random.choice(_REQUESTS), b"Host: h"]
    else:
        lines = [b"HTTP/1.1 " + random.choice(_STATUSES)]
    lines += [random.choice(_LINES) for _ in range(random.randrange(6))]
    heads = []
    for _ in range(random.randrange(3, 7)):
        varied = [_vary(line, random) if random.random() < 0.4 else line for line in lines]
        head = b"\r\n".join((*varied, b"", b""))
        if random.random() < 0.2:
            at = random.randrange(len(head))
            head = head[:at] + bytes((random.choice(_BYTES),)) + head[at + random.randrange(2) :]
        heads.append(head)
    return b"@@".join(heads)


def check(data: bytes, random: Random) -> None:
    """Raise AssertionError when a law does not hold for this input."""
    reader = ResponseHeads()
    template: HeadTemplate | None = None
    for head in data.split(b"@@"):
        if not head.endswith(b"\r\n\r\n"):
            continue
        if head.startswith(b"HTTP/"):
            for _ in range(3):  # the first is parsed, the second learned, the third recognised
                _check_response(reader, head)
        else:
            template = _check_request(template, head)


def _vary(line: bytes, random: Random) -> bytes:
    name, colon, value = line.partition(b":")
    if not colon:
        return line
    if name.lower() == b"content-length":
        return name + b": %d" % random.randrange(10 ** random.randrange(1, 20))
    if random.random() < 0.5:
        return name + colon + value + bytes(random.choice(_BYTES) for _ in range(random.randrange(3)))
    return name + b": " + bytes(random.randrange(256) for _ in range(random.randrange(5)))


def _check_response(reader: ResponseHeads, data: bytes) -> None:
    expected = _parsed_response(data)
    try:
        head = reader.read(data)
    except FramingError:
        assert expected is None, "refused, though it can be parsed"
        return
    assert expected is not None, "recognised, though parsing refuses it"
    assert _said(head) == _said(expected), "recognised as something else"
    for name, _ in expected.headers:
        assert head.get(name) == expected.get(name), f"another value for {name!r}"
    kind = read_kind(expected)
    assert read_kind(head) == kind, "another kind"
    for rewritten in (False, True):
        lines = [
            encode_client_headers(one, "id", stream=kind.is_stream, rewritten=rewritten) for one in (head, expected)
        ]
        assert _fields(lines[0]) == _fields(lines[1]), "other lines go on to the client"


def _check_request(template: HeadTemplate | None, data: bytes) -> HeadTemplate | None:
    head = template.match(data) if template is not None else None
    expected = _parsed_request(data if head is None else data[: head.size])
    if head is not None:
        assert data.find(b"\r\n\r\n") == head.size - 4, "recognised beyond its end, or before it"
        assert expected is not None, "recognised, though parsing refuses it"
        assert _asked(head) == _asked(expected), "recognised as something else"
        return template
    return HeadTemplate(data, expected) if expected is not None else template


def _said(head: ResponseHead) -> tuple[object, ...]:
    return head.status, head.keep_alive, head.chunked, head.content_length, head.headers, head.fields


def _asked(head: RequestHead) -> tuple[object, ...]:
    others = [header for header in head.headers if header[0] != b"content-length"]
    return head.method, head.target, head.version, head.chunked, head.content_length, head.keep_alive, others


def _fields(lines: bytes) -> list[tuple[bytes, bytes]]:
    split = [line.partition(b":") for line in lines.split(b"\r\n")]
    return [(name, value.strip(b" \t")) for name, _, value in split]


def _parsed_response(data: bytes) -> ResponseHead | None:
    try:
        return parse_response_head(data)
    except FramingError:
        return None


def _parsed_request(data: bytes) -> RequestHead | None:
    try:
        return parse_request_head(data)
    except (InvalidRequest, HeadersTooLarge):
        return None
