"""HTTP/1.1 framing for both sides: heads through llhttp (httptools), bodies by three small readers.

Law: what is ambiguous is refused, never guessed (RFC 9112 §6.3, §11.2). A head is cut out of the stream first and
parsed alone, so llhttp never sees a body, a limit is exact, and a pipelined request cannot hide behind one. llhttp
refuses bare LF, obs-fold, Content-Length with Transfer-Encoding, duplicate or malformed Content-Length and more.
"""

import re
from collections.abc import Sequence
from typing import Final

import httptools

from gantry.core.errors import HeadersTooLarge, InvalidRequest

Header = tuple[bytes, bytes]

MAX_CHUNK_LINE: Final = 1024
MAX_TRAILER_BYTES: Final = 8192
MAX_HEADERS: Final = 128
MAX_LENGTH_DIGITS: Final = 18
_CRLF: Final = b"\r\n"
_SILENT: Final = object()  # llhttp judges a head; its calls back for each part would cost more than splitting
_VERSIONS: Final = ("1.1", "1.0")
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\Z")
_PLAIN_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,8}\Z")
_TRAILER_LINE: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\Z")
_BODYLESS_STATUSES: Final = frozenset((204, 205, 304))


class FramingError(ValueError):
    """The bytes are not the HTTP/1.1 they claim to be."""


class LengthBody:
    """A body of a known number of bytes."""

    __slots__ = ("done", "remaining", "rest")

    def __init__(self, length: int) -> None:
        self.remaining = length
        self.done = length == 0
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """Take bytes, return those of the body. Once `done`, `rest` holds what followed it."""
        size = len(data)
        if size > self.remaining:
            self.rest = data[self.remaining :]
            data = data[: self.remaining]
            size = self.remaining
        self.remaining -= size
        self.done = self.remaining == 0
        return data

    def close(self) -> None:
        """Say that the stream ended. Raises FramingError when the body is not complete."""
        if not self.done:
            raise FramingError(f"the body ended {self.remaining} bytes short of its Content-Length")


class CloseBody:
    """A body that ends with the connection."""

    __slots__ = ("done", "rest")

    def __init__(self) -> None:
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        return data

    def close(self) -> None:
        self.done = True


class ChunkedBody:
    """A body in the chunked transfer coding (RFC 9112 §7.1). Chunk extensions and trailers are bounded and dropped."""

    __slots__ = ("_buffer", "_in_trailer", "_remaining", "_trailer_bytes", "done", "rest")

    def __init__(self) -> None:
        self._buffer = b""
        self._remaining = 0  # data bytes left in this chunk, plus 2 for the CRLF behind them; 0 between chunks
        self._in_trailer = False
        self._trailer_bytes = 0
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        elif not (self._remaining or self._in_trailer):
            # What a stream mostly brings in one read is one whole chunk.
            end = data.find(_CRLF)
            if _PLAIN_SIZE.match(data, 0, end if end > 0 else 0):
                length = int(data[:end], 16)
                if length and len(data) == end + length + 4 and data.endswith(_CRLF):
                    return data[end + 2 : -2]
        position = 0
        size = len(data)
        pieces: list[bytes] = []
        while position < size and not self.done:
            if self._remaining > 2:
                piece = data[position : position + self._remaining - 2]
                pieces.append(piece)
                position += len(piece)
                self._remaining -= len(piece)
            elif self._remaining:
                if not _CRLF.startswith(data[position : position + 2]):
                    raise FramingError("a chunk is longer than its size says")
                if size - position < 2:
                    break
                position += 2
                self._remaining = 0
            else:
                end = data.find(_CRLF, position)
                if end < 0:
                    self._check_unfinished_line(data, position)
                    break
                self._read_line(data[position:end])
                position = end + 2
        if self.done:
            self.rest = data[position:]
        else:
            self._buffer = data[position:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        if not self.done:
            raise FramingError("the connection ended inside a chunked body")

    def _read_line(self, line: bytes) -> None:
        if self._in_trailer:
            if not line:
                self.done = True
            elif len(line) > MAX_CHUNK_LINE or not _TRAILER_LINE.match(line):
                raise FramingError("a trailer is malformed or too long")
            self._trailer_bytes += len(line) + 2
            if self._trailer_bytes > MAX_TRAILER_BYTES:
                raise FramingError(f"the trailers are longer than {MAX_TRAILER_BYTES} bytes")
            return
        match = _CHUNK_SIZE.match(line) if len(line) <= MAX_CHUNK_LINE else None
        if match is None:
            raise FramingError("a chunk size is malformed")
        length = int(match[1], 16)
        if length == 0:
            self._in_trailer = True
        else:
            self._remaining = length + 2

    def _check_unfinished_line(self, data: bytes, position: int) -> None:
        if len(data) - position > MAX_CHUNK_LINE + 1:  # the CR of the line's end may be among them
            raise FramingError("a chunk size or trailer line is too long")
        newline = data.find(b"\n", position)
        if newline >= 0:
            raise FramingError("a line in a chunked body ends in a bare LF")


BodyReader = LengthBody | CloseBody | ChunkedBody


class _Head:
    """What both kinds of head have. Names are lower-cased; `headers` keeps every line, in order.

    `fields` maps names to values, repeated ones joined by a comma (RFC 9110 §5.3).
    """

    __slots__ = ("chunked", "content_length", "fields", "headers", "keep_alive")

    chunked: bool
    content_length: int | None
    keep_alive: bool

    def __init__(self, lines: list[bytes]) -> None:
        """Take the header lines of a head that llhttp has found valid: split, they mean what it saw in them."""
        headers: list[Header] = []
        for line in lines:
            name, _, value = line.partition(b":")
            headers.append((name.lower(), value.strip(b" \t")))
        fields = dict(headers)
        if len(fields) != len(headers):
            fields.clear()
            for name, value in headers:
                held = fields.get(name)
                fields[name] = value if held is None else held + b", " + value
        self.headers = headers
        self.fields = fields


class RequestHead(_Head):
    """A request's head."""

    __slots__ = ("forwarded", "method", "target", "version")

    method: str
    target: bytes
    version: str
    forwarded: bytes | None  # the lines that go on to an upstream, once somebody has chosen them

    @property
    def has_body(self) -> bool:
        return self.chunked or bool(self.content_length)

    @property
    def expects_continue(self) -> bool:
        return self.version == "1.1" and self.fields.get(b"expect", b"").lower() == b"100-continue"

    def body_reader(self) -> LengthBody | ChunkedBody:
        return ChunkedBody() if self.chunked else LengthBody(self.content_length or 0)


class HeadTemplate:
    """A head that was parsed, and may come again: on one connection, heads mostly differ in their Content-Length alone.

    What matches is, byte for byte, a head that was found valid, but for the digits of its length. So nothing is parsed,
    and the same object serves again; its last exchange is over when the next head is read.
    """

    __slots__ = ("_after", "_before", "_head")

    def __init__(self, data: bytes, head: RequestHead) -> None:
        self._head = head
        name = data.lower().find(b"\r\ncontent-length:")
        if name < 0:
            self._before, self._after = data, b""
            return
        start = name + len(b"\r\ncontent-length:")
        while data[start] in b" \t":
            start += 1
        end = start
        while data[end] in b"0123456789":
            end += 1
        self._before, self._after = data[:start], data[end:]

    def match(self, data: bytes) -> RequestHead | None:
        """Return the head in `data`, if it is this one again."""
        head = self._head
        if not self._after:
            return head if data == self._before else None
        if not (data.startswith(self._before) and data.endswith(self._after)):
            return None
        digits = data[len(self._before) : -len(self._after)]
        if not digits.isdigit() or len(digits) > MAX_LENGTH_DIGITS:
            return None
        head.content_length = int(digits)
        return head


class ResponseHead(_Head):
    """A response's head."""

    __slots__ = ("status",)

    status: int

    def has_body(self, request_method: str) -> bool:
        return not (request_method == "HEAD" or self.status < 200 or self.status in _BODYLESS_STATUSES)

    def body_reader(self, request_method: str) -> BodyReader:
        """Return the reader of the body that follows (RFC 9112 §6.3)."""
        if not self.has_body(request_method):
            return LengthBody(0)
        if self.chunked:
            return ChunkedBody()
        if self.content_length is not None:
            return LengthBody(self.content_length)
        return CloseBody()


def find_head_end(buffer: bytes, limit: int) -> int:
    """Return where the head in the buffer ends (behind its blank line), or -1 when more bytes are needed.

    Raises HeadersTooLarge beyond `limit`, InvalidRequest for bytes that can never become a head.
    """
    end = buffer.find(b"\r\n\r\n")
    if end >= 0:
        end += 4
        if end > limit:
            raise HeadersTooLarge(f"the request line and headers are {end} bytes long; at most {limit} are accepted")
        return end
    if len(buffer) > limit:
        raise HeadersTooLarge(f"the request line and headers are longer than the {limit} bytes accepted")
    if buffer and not 0x41 <= buffer[0] <= 0x5A:
        raise InvalidRequest("this is not an HTTP/1.1 request; if the client speaks TLS, use http:// in its base URL")
    if b"\n\n" in buffer:
        raise InvalidRequest("header lines must end in CR LF")
    return -1


def parse_request_head(data: bytes) -> RequestHead:
    """Return the head in `data`, which ends with its blank line. Raises InvalidRequest if malformed or ambiguous."""
    parser = httptools.HttpRequestParser(_SILENT)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass  # an offer the server may ignore (RFC 9110 §7.8)
    except httptools.HttpParserError as error:
        raise InvalidRequest(f"malformed HTTP request: {error}") from None
    lines = data.split(_CRLF)
    start = lines[0].split(b" ")
    # llhttp lets empty lines before a head, and several spaces in its first line, pass; others read those differently.
    if len(start) != 3 or not 0x41 <= data[0] <= 0x5A:
        raise InvalidRequest("malformed HTTP request: it begins with method, target and version, one space between")
    version = parser.get_http_version()
    if version not in _VERSIONS:
        raise InvalidRequest(f"HTTP/{version} is not spoken here; use HTTP/1.1")
    if len(lines) > MAX_HEADERS + 3:
        raise HeadersTooLarge(f"{len(lines) - 3} headers were sent; at most {MAX_HEADERS} are accepted")
    head = RequestHead(lines[1:-2])
    head.method = start[0].decode("ascii")
    head.target = start[1]
    head.version = version
    head.forwarded = None
    fields = head.fields
    host = fields.get(b"host")
    if (host is None and version == "1.1") or (host is not None and b"," in host):
        raise InvalidRequest("an HTTP/1.1 request carries exactly one Host header")
    head.keep_alive = _keeps_alive(fields.get(b"connection"), version)
    coding = fields.get(b"transfer-encoding")
    if coding is None:
        head.chunked = False
    elif coding.lower() == b"chunked" and version == "1.1":
        head.chunked = True
    else:
        raise InvalidRequest("the only transfer coding understood is a single `chunked`, on HTTP/1.1")
    head.content_length = _read_content_length(fields.get(b"content-length"))
    return head


def parse_response_head(data: bytes) -> ResponseHead:
    """Return the head in `data`, which ends with its blank line. Raises FramingError."""
    if not data.startswith(b"HTTP/1."):  # llhttp passes over empty lines in front
        raise FramingError("malformed HTTP response: it does not begin with HTTP/1")
    parser = httptools.HttpResponseParser(_SILENT)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        raise FramingError(f"malformed HTTP response: {error}") from None
    head = ResponseHead(data.split(_CRLF)[1:-2])
    fields = head.fields
    head.status = parser.get_status_code()
    head.keep_alive = _keeps_alive(fields.get(b"connection"), parser.get_http_version())
    coding = fields.get(b"transfer-encoding")
    if coding is None:
        head.chunked = False
    elif coding.lower() == b"chunked":
        head.chunked = True
    else:
        raise FramingError(f"unknown transfer coding {coding[:40]!r}")
    try:
        head.content_length = _read_content_length(fields.get(b"content-length"))
    except InvalidRequest as error:
        raise FramingError(error.message) from None
    return head


def _keeps_alive(connection: bytes | None, version: str) -> bool:
    """Say whether the connection outlives this message (RFC 9112 §9.3)."""
    if connection is None or connection == b"keep-alive":
        return version == "1.1" or connection is not None
    options = [option.strip() for option in connection.lower().split(b",")]
    return b"close" not in options and (version == "1.1" or b"keep-alive" in options)


def _read_content_length(value: bytes | None) -> int | None:
    if value is None:
        return None
    if not value.isdigit() or len(value) > MAX_LENGTH_DIGITS:
        raise InvalidRequest("Content-Length must be a number of bytes")
    return int(value)


def encode_head(start_line: bytes, headers: Sequence[Header]) -> bytes:
    """Return a head as bytes, blank line included. Names and values must already be free of CR, LF and NUL."""
    return b"%b\r\n%b\r\n" % (start_line, b"".join([b"%b: %b\r\n" % header for header in headers]))


def encode_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK: Final = b"0\r\n\r\n"
