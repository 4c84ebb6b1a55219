"""Heads of HTTP/1.1 messages, read through llhttp (httptools). Their bodies are `gantry.wire.body`'s.

Law: what is ambiguous is refused, never guessed (RFC 9112 §6.3, §11.2). A head is cut out of the stream first and
parsed alone, so llhttp never sees a body, a limit is exact, and a pipelined request cannot hide behind one. llhttp
refuses bare LF, obs-fold, Content-Length with Transfer-Encoding, duplicate or malformed Content-Length and more.
"""

from typing import Any, Final

import httptools
from msgspec import Struct

from gantry.core.errors import HeadersTooLarge, InvalidRequest
from gantry.wire.body import BodyReader, ChunkedBody, CloseBody, FramingError, LengthBody

Header = tuple[bytes, bytes]

MAX_HEADERS: Final = 128
MAX_LENGTH_DIGITS: Final = 18
_CRLF: Final = b"\r\n"
_SILENT: Final = object()  # llhttp judges a head; its calls back for each part would cost more than splitting
_VERSIONS: Final = ("1.1", "1.0")
_BODYLESS_STATUSES: Final = frozenset((204, 205, 304))


def _read_lines(lines: list[bytes]) -> list[Header]:
    """Return the headers in the lines of a head that llhttp has found valid: split, they mean what it saw in them.

    Names are lower-cased; every line is kept, in order.
    """
    headers: list[Header] = []
    for line in lines:
        name, _, value = line.partition(b":")
        headers.append((name.lower(), value.strip(b" \t")))
    return headers


def _join_fields(headers: list[Header]) -> dict[bytes, bytes]:
    """Return names with their values, those of a repeated name joined by a comma (RFC 9110 §5.3)."""
    fields = dict(headers)
    if len(fields) != len(headers):
        fields.clear()
        for name, value in headers:
            held = fields.get(name)
            fields[name] = value if held is None else held + b", " + value
    return fields


class RequestHead:
    """A request's head, of so many bytes. `notes` is for whoever reads it: it may come again, see `HeadTemplate`."""

    __slots__ = (
        "chunked",
        "content_length",
        "fields",
        "headers",
        "keep_alive",
        "method",
        "notes",
        "size",
        "target",
        "version",
    )

    method: str
    target: bytes
    version: str
    chunked: bool
    content_length: int | None
    keep_alive: bool
    size: int
    notes: object

    def __init__(self, lines: list[bytes]) -> None:
        self.headers = _read_lines(lines)
        self.fields = _join_fields(self.headers)

    @property
    def has_body(self) -> bool:
        return self.chunked or bool(self.content_length)

    @property
    def expects_continue(self) -> bool:
        return self.version == "1.1" and self.fields.get(b"expect", b"").lower() == b"100-continue"

    def body_reader(self) -> LengthBody | ChunkedBody:
        return ChunkedBody() if self.chunked else LengthBody(self.content_length or 0)


class Likeness:
    """What heads of one shape have in common: the names whose values vary, and the notes of whoever reads them."""

    __slots__ = ("_places", "notes", "varying")

    def __init__(self, varying: list[bytes]) -> None:
        self.varying = varying
        self.notes: dict[object, Any] = {}
        self._places = {name: place for place, name in enumerate(varying) if varying.count(name) == 1}

    def place(self, name: bytes) -> int | None:
        """Return where the value of a header lies that comes once and varies."""
        return self._places.get(name)


class ResponseHead(Struct, eq=False, gc=False):
    """A response's head, the first `size` bytes of `data`. Its headers are split when somebody asks: relays need few.

    `likeness` and `values` are set on a head that was recognised, see `gantry.wire.recognise`.
    """

    data: bytes
    size: int
    status: int
    keep_alive: bool
    chunked: bool
    content_length: int | None
    likeness: Likeness | None = None
    values: tuple[bytes, ...] = ()
    _headers: list[Header] | None = None
    _fields: dict[bytes, bytes] | None = None

    @property
    def headers(self) -> list[Header]:
        if self._headers is None:
            self._headers = _read_lines(self.data[: self.size].split(_CRLF)[1:-2])
        return self._headers

    @property
    def fields(self) -> dict[bytes, bytes]:
        if self._fields is None:
            self._fields = _join_fields(self.headers)
        return self._fields

    def get(self, name: bytes) -> bytes | None:
        """Return the value of one header."""
        if self.likeness is not None:
            place = self.likeness.place(name)
            if place is not None:
                return self.values[place].strip(b" \t")
        return self.fields.get(name)

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
    head.size = len(data)
    head.notes = None
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
    headers = _read_lines(data.split(_CRLF)[1:-2])
    fields = _join_fields(headers)
    coding = fields.get(b"transfer-encoding")
    if coding is not None and coding.lower() != b"chunked":
        raise FramingError(f"unknown transfer coding {coding[:40]!r}")
    try:
        content_length = _read_content_length(fields.get(b"content-length"))
    except InvalidRequest as error:
        raise FramingError(error.message) from None
    return ResponseHead(
        data,
        len(data),
        parser.get_status_code(),
        _keeps_alive(fields.get(b"connection"), parser.get_http_version()),
        coding is not None,
        content_length,
        _headers=headers,
        _fields=fields,
    )


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
