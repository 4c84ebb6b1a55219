"""Fuzz target: wire/http1 against a strict reading of RFC 9112 in a few expressions.

Laws: a request head is taken only when the strict reading takes it, with the same method, target, fields and framing; a
head that could be framed in two ways is never taken; a body means the same however it is cut into reads; nothing but
the documented errors is ever raised.
"""

import re
from random import Random
from typing import Final, NamedTuple

from gantry.core.errors import HeadersTooLarge, InvalidRequest
from gantry.wire.body import ChunkedBody, FramingError, LengthBody, encode_chunk
from gantry.wire.head import RequestHead, find_head_end, parse_request_head, parse_response_head

_HEAD_LIMIT: Final = 2000

_METHODS: Final = (
    b"GET", b"POST", b"POST", b"POST", b"HEAD", b"DELETE", b"CONNECT", b"get", b"PRI", b"", b"P OST",
)  # fmt: skip
_TARGETS: Final = (
    b"/", b"/v1/chat/completions", b"/a?b=c", b"*", b"http://h/x", b"h:443", b"", b"/a b", b"/\x7f", b"/\xc3\xa9",
)  # fmt: skip
_VERSIONS: Final = (
    b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.2", b"HTTP/11", b"",
    b"http/1.1",
)  # fmt: skip
_FIELDS: Final = (
    b"Host: h", b"Host: h", b"host: other", b"Host:", b"Content-Length: 5", b"Content-Length: 5",
    b"content-length: 6", b"Content-Length: +5", b"Content-Length: -5", b"Content-Length: 0x5",
    b"Content-Length: 5, 5", b"Content-Length: 5 ", b"Content-Length:", b"Content-Length: 99999999999999999999",
    b"Content-Length : 5", b"Content-Length: 5\x00", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked",
    b"transfer-encoding: Chunked", b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding:\tchunked", b"Transfer-Encoding: chunked\x0b",
    b"Transfer-Encoding : chunked", b"Transfer-Encoding: \"chunked\"", b"Transfer-Encoding: chunked;q=1",
    b"Transfer-Encoding:", b" Transfer-Encoding: chunked", b"Connection: close", b"Connection: keep-alive, upgrade",
    b"Upgrade: h2c", b"Expect: 100-continue", b"X: \x01", b"X: \xff", b"X Y: 1", b": 1", b"X", b"X:1", b"X: a\tb",
    b"\tfolded", b"A: " + b"b" * 300,
)  # fmt: skip
_LINE_ENDS: Final = (b"\r\n",) * 30 + (b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n ", b"\x00\r\n")
_CHUNKS: Final = (
    b"5\r\nhello\r\n", b"1\r\nx\r\n", b"A\r\n0123456789\r\n", b"a;ext=1\r\n0123456789\r\n", b"005\r\nhello\r\n",
    b"5 \r\nhello\r\n", b'5;e="\r\nhello\r\n', b"5\nhello\r\n", b"5\r\nhello\n", b"5\r\nhelloX\r\n",
    b"5\r\nhell\r\n", b"-5\r\nhello\r\n", b"+5\r\nhello\r\n", b"0x5\r\nhello\r\n", b"5_0\r\nhello\r\n", b"\r\n",
    b"ffffffffffffffff\r\nx", b"fffffffffffffffffff\r\n", b"5;\x00\r\nhello\r\n",
    b"5;" + b"x" * 1100 + b"\r\nhello\r\n", b" 5\r\nhello\r\n", b"g\r\n",
)  # fmt: skip
_ENDS: Final = (
    b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\n\r\n", b"00\r\n\r\n", b"0\r\nX: 1\r\n\r\n",
    b"0\r\nContent-Length: 9\r\n\r\n", b"0\n\n", b"0\r\n\n", b"0\r\nX\r\n\r\n", b"0\r\nX : 1\r\n\r\n",
    b"0\r\nX: " + b"x" * 1500 + b"\r\n\r\n", b"0\r\n", b"0", b"", b"0\r\n folded: 1\r\n\r\n",
    b"0;x\r\nX: \xff\r\nY: \x01\r\n\r\n",
)  # fmt: skip
_NEXT: Final = (b"", b"", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"x", b"\r\n")

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE: Final = re.compile(rb"(%b) ([\x21-\x7e\x80-\xff]+) HTTP/1\.([01])\Z" % _TOKEN)
_FIELD_LINE: Final = re.compile(rb"(%b):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*\Z" % _TOKEN)
_CHUNK_HEAD: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_TRAILERS: Final = re.compile(rb"((?:%b:[\t\x20-\x7e\x80-\xff]*\r\n)*)\r\n" % _TOKEN)


class StrictHead(NamedTuple):
    method: bytes
    target: bytes
    fields: list[tuple[bytes, bytes]]


class BodyOutcome(NamedTuple):
    """What became of a body: its bytes and what followed it, or that it was refused or is not complete."""

    body: bytes
    rest: bytes
    state: str


def make_input(random: Random) -> bytes:
    """Return a request as a client that errs or attacks might write it."""
    head = b" ".join((random.choice(_METHODS), random.choice(_TARGETS), random.choice(_VERSIONS)))
    head += random.choice(_LINE_ENDS)
    if random.random() < 0.8:
        head += b"Host: h\r\n"
    for _ in range(random.randrange(5)):
        head += random.choice(_FIELDS) + random.choice(_LINE_ENDS)
    head += b"\r\n" if random.random() < 0.9 else random.choice(_LINE_ENDS)
    body = b"".join(
        random.choice(_CHUNKS[:5] if random.random() < 0.7 else _CHUNKS) for _ in range(random.randrange(4))
    )
    data = head + body + random.choice(_ENDS) + random.choice(_NEXT)
    for _ in range(random.choice((0, 0, 1, 2))):
        at = random.randrange(len(data) + 1)
        if random.random() < 0.5:
            data = data[:at] + bytes((random.randrange(256),)) + data[at + random.randrange(2) :]
        else:
            data = data[:at] + data[at + random.randrange(1, 4) :]
    return data


def check(data: bytes, random: Random) -> None:
    """Raise AssertionError when a law does not hold for this input."""
    _check_response(b"HTTP/1.1 200 OK" + data[data.find(b"\r\n") :] if b"\r\n" in data else data)
    end = _head_end(data)
    if end < 0:
        return
    head = _request_head(data[:end])
    if head is None:
        return
    strict = strict_head(data[:end])
    assert strict is not None, "taken, though it is not strict HTTP/1.1"
    assert head.method.encode() == strict.method, "method differs"
    assert head.target == strict.target, "target differs"
    fields = [(name, value.rstrip(b" \t")) for name, value in head.headers]  # llhttp leaves white space at the end
    assert fields == strict.fields, "fields differ"
    _check_framing(head, strict)
    lines = b"".join([b"%b: %b\r\n" % header for header in head.headers])
    again = _request_head(b"%b\r\n%b\r\n" % (data[: data.index(b"\r\n")], lines))
    assert again is not None, "what was taken is refused when we write it"
    assert again.fields == head.fields, "fields change when we write them"
    _check_body(head, data[end:], random)


def strict_head(data: bytes) -> StrictHead | None:
    """Return a head as a strict reader takes it, or None."""
    if not data.endswith(b"\r\n\r\n"):
        return None
    first, *lines = data[:-4].split(b"\r\n")
    request = _REQUEST_LINE.match(first)
    fields = [_FIELD_LINE.match(line) for line in lines]
    if request is None or any(field is None for field in fields):
        return None
    return StrictHead(request[1], request[2], [(field[1].lower(), field[2]) for field in fields if field])


def read_body(data: bytes, cuts: list[int], length: int | None) -> BodyOutcome:
    """Feed a body in pieces and return what became of it."""
    reader = ChunkedBody() if length is None else LengthBody(length)
    body = b""
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        try:
            body += reader.feed(data[start:end])
        except FramingError:
            return BodyOutcome(b"", b"", "refused")
        if reader.done:
            return BodyOutcome(body, reader.rest + data[end:], "done")
    return BodyOutcome(body, b"", "unfinished")


def strict_chunked(data: bytes) -> BodyOutcome | None:
    """Return a chunked body as a strict reader takes it, or None."""
    body, position = b"", 0
    while (size := _CHUNK_HEAD.match(data, position)) is not None:
        position = size.end()
        length = int(size[1], 16)
        if length == 0:
            trailers = _TRAILERS.match(data, position)
            return None if trailers is None else BodyOutcome(body, data[trailers.end() :], "done")
        body += data[position : position + length]
        position += length
        if data[position : position + 2] != b"\r\n":
            return None
        position += 2
    return None


def _head_end(data: bytes) -> int:
    try:
        return find_head_end(data, _HEAD_LIMIT)
    except (InvalidRequest, HeadersTooLarge):
        return -1


def _request_head(data: bytes) -> RequestHead | None:
    try:
        return parse_request_head(data)
    except (InvalidRequest, HeadersTooLarge):
        return None


def _check_framing(head: RequestHead, strict: StrictHead) -> None:
    lengths = [value for name, value in strict.fields if name == b"content-length"]
    codings = [value for name, value in strict.fields if name == b"transfer-encoding"]
    hosts = [value for name, value in strict.fields if name == b"host"]
    assert not (lengths and codings), "both Content-Length and Transfer-Encoding were taken"
    assert len(lengths) <= 1, "several Content-Lengths were taken"
    assert len(codings) <= 1, "several Transfer-Encodings were taken"
    assert len(hosts) <= 1, "several Hosts were taken"
    assert head.chunked == bool(codings)
    assert not codings or codings[0].lower() == b"chunked", "an unknown transfer coding was taken"
    assert head.content_length == (int(lengths[0]) if lengths else None)
    assert not lengths or re.fullmatch(rb"[0-9]{1,18}", lengths[0]), "an odd Content-Length was taken"


def _check_body(head: RequestHead, data: bytes, random: Random) -> None:
    length = None if head.chunked else head.content_length or 0
    whole = read_body(data, [], length)
    cuts = sorted(random.randrange(len(data) + 1) for _ in range(random.randrange(1, 6)))
    assert read_body(data, cuts, length) == whole, f"cut at {cuts} the body means something else than in one piece"
    if length is None and whole.state == "done":
        assert strict_chunked(data) == whole, "the chunked body is read differently"
        encoded = encode_chunk(whole.body) if whole.body else b""
        assert read_body(encoded + b"0\r\n\r\n", [], None).body == whole.body
    elif whole.state == "done":
        assert whole == BodyOutcome(data[:length], data[length:], "done")


def _check_response(data: bytes) -> None:
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return
    try:
        head = parse_response_head(data[: end + 4])
    except FramingError:
        return
    assert not (head.chunked and head.content_length is not None), "a response was framed in two ways"
