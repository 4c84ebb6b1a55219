"""From an answer to the script of its delivery: bytes to write, pauses to make, and how the connection ends.

Law: pure. The server plays a script, it never decides. Faults of timing, framing and connection are made here.
"""

from collections.abc import Generator, Iterator
from enum import Enum, auto
from http import HTTPStatus
from typing import TypeAlias

from msgspec import Struct

from gantry.simulator.compression import Encoding, compressor
from gantry.simulator.distortion import turning_point
from gantry.simulator.exchange import Answer
from gantry.simulator.faults import Cut, Faults


class End(Enum):
    """How a script ends."""

    KEEP = auto()
    CLOSE = auto()  # the answer is whole
    CUT = auto()  # it is not
    RESET = auto()
    HANG = auto()


class Pause(Struct, frozen=True):
    """Let other work run, and wait so many seconds."""

    seconds: float = 0.0


Step: TypeAlias = bytes | Pause | End


class Terms(Struct, frozen=True):
    """What the request and the simulator's settings say about the delivery."""

    http_11: bool = True
    keep_alive: bool = True
    head: bool = False
    encoding: Encoding = Encoding.IDENTITY
    first_token: float = 0.0
    tokens_per_second: float = 0.0


class _Framing(Enum):
    LENGTH = auto()
    CHUNKED = auto()
    CLOSE = auto()
    NONE = auto()


YIELD = Pause()
_INFORMATION = {
    100: b"",
    102: b"",
    103: b"link: </style.css>; rel=preload; as=style\r\n",
}


def plain(answer: Answer, encoding: Encoding = Encoding.IDENTITY) -> bytes:
    """Return a whole answer without any fault, as one piece of bytes on a connection that is kept."""
    body, coding = _encoded(answer.body, encoding)
    if _bodiless(answer.status):
        return _head(answer, b"")
    return _head(answer, coding + b"content-length: %d\r\n" % len(body)) + body


def script(answer: Answer, faults: Faults, terms: Terms) -> Iterator[Step]:
    """Return the steps of a delivery. The last step is an End."""
    if faults.silent:
        yield End.HANG if faults.hang else End.RESET if faults.reset else End.CUT
        return
    if faults.first_byte:
        yield Pause(faults.first_byte)
    if faults.informational:
        extra = _INFORMATION.get(faults.informational, b"")
        yield b"HTTP/1.1 %d %s\r\n%s\r\n" % (faults.informational, _reason(faults.informational), extra)
        yield YIELD
    framing = _framing(answer, faults, terms)
    steps = _headed(answer, faults, terms, framing)
    yield from _sliced(steps, faults) if faults.write_bytes else steps


def _headed(answer: Answer, faults: Faults, terms: Terms, framing: _Framing) -> Iterator[Step]:
    closing = framing is _Framing.CLOSE or not terms.keep_alive
    fields = b"connection: close\r\n" if closing else b""
    body, coding = _encoded(answer.body, terms.encoding) if framing is _Framing.LENGTH else (b"", b"")
    match framing:
        case _Framing.LENGTH:
            fields += coding + b"content-length: %d\r\n" % len(body)
        case _Framing.CHUNKED:
            fields += _coding(terms.encoding) + b"transfer-encoding: chunked\r\n"
            fields += b"trailer: x-simulated-trailer\r\n" if faults.trailers else b""
        case _Framing.CLOSE:
            fields += _coding(terms.encoding)
        case _Framing.NONE:
            pass
    if faults.ambiguous_framing:
        fields += b"content-length: 5\r\n" if framing is _Framing.CHUNKED else b"transfer-encoding: chunked\r\n"
    head = _head(answer, fields)
    broken: End | None = None
    if terms.head or framing is _Framing.NONE:
        yield head
    elif framing is _Framing.LENGTH:
        broken = yield from _counted(head, body, faults)
    else:
        yield head
        broken = yield from _body(answer, faults, terms, framing)
    yield broken or (End.CLOSE if closing else End.KEEP)


def _counted(head: bytes, body: bytes, faults: Faults) -> Generator[Step, None, End | None]:
    """Deliver a body with a length; return how it broke, if it did."""
    if faults.cut is None and not faults.reset_mid and not faults.stall:
        yield head + body
        return None
    yield head
    half = len(body) // 2
    kept = {Cut.BETWEEN_EVENTS: 0, Cut.MID_EVENT: half, Cut.BEFORE_END: len(body) - 1, None: half}[faults.cut]
    yield body[:kept]
    yield Pause(faults.stall)
    if faults.reset_mid:
        return End.RESET
    if faults.cut is not None:
        return End.CUT
    yield body[kept:]
    return None


def _body(answer: Answer, faults: Faults, terms: Terms, framing: _Framing) -> Generator[Step, None, End | None]:
    """Deliver a body part by part, with the faults of the middle where they belong; return how it broke, if it did."""
    yield Pause((faults.first_token or terms.first_token) if answer.streamed else 0.0)
    pace = faults.tokens_per_second or terms.tokens_per_second
    coder = compressor(terms.encoding)
    middle = turning_point(faults, len(answer.parts))
    for index, part in enumerate(answer.parts):
        data = part if coder is None else coder.piece(part)
        if index == middle:
            yield Pause(faults.stall)
            end, rest = _break(faults, framing, data)
            if end is not None:
                yield rest
                yield YIELD
                return end
        yield _framed(data, framing, faults)
        weight = answer.weights[index] if index < len(answer.weights) else 0
        yield Pause(weight / pace) if pace else YIELD
    if coder is not None:
        yield _framed(coder.end(), framing, faults)
    if faults.cut is Cut.BEFORE_END:
        return End.CUT
    if framing is _Framing.CHUNKED:
        yield _last_chunk(faults)
    return None


def _break(faults: Faults, framing: _Framing, data: bytes) -> tuple[End | None, bytes]:
    """Return how the connection ends in the middle, if it does, and the last bytes before."""
    if faults.malformed_chunk and framing is _Framing.CHUNKED:
        return End.CUT, b"zz\r\n" + data + b"\r\n"
    if faults.reset_mid:
        return End.RESET, b""
    match faults.cut:
        case Cut.BETWEEN_EVENTS:
            return End.CUT, b""
        case Cut.MID_EVENT:
            return End.CUT, _framed(data[: len(data) // 2], framing, faults)
        case Cut.BEFORE_END | None:
            return None, b""


def _sliced(steps: Iterator[Step], faults: Faults) -> Iterator[Step]:
    """Cut all bytes into small writes."""
    size = faults.write_bytes
    for step in steps:
        if not isinstance(step, bytes):
            yield step
            continue
        for start in range(0, len(step), size):
            yield step[start : start + size]
            yield Pause(faults.write_delay)


def _framing(answer: Answer, faults: Faults, terms: Terms) -> _Framing:
    if _bodiless(answer.status):
        return _Framing.NONE
    if faults.close_delimited:
        return _Framing.CLOSE
    odd = faults.chunked or faults.trailers or faults.chunk_extensions or faults.malformed_chunk
    if answer.streamed or odd:
        return _Framing.CHUNKED if terms.http_11 else _Framing.CLOSE
    return _Framing.LENGTH


def _bodiless(status: int) -> bool:
    return status in (204, 205, 304)


def _framed(data: bytes, framing: _Framing, faults: Faults) -> bytes:
    if framing is not _Framing.CHUNKED:
        return data
    if not data:
        return b""
    extension = b';simulated="yes";n=1' if faults.chunk_extensions else b""
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


def _last_chunk(faults: Faults) -> bytes:
    return b"0\r\nx-simulated-trailer: seen\r\n\r\n" if faults.trailers else b"0\r\n\r\n"


def _encoded(body: bytes, encoding: Encoding) -> tuple[bytes, bytes]:
    """Return a whole body in an encoding, and the headers that say so."""
    coder = compressor(encoding)
    if coder is None or not body:
        return body, b""
    return coder.piece(body) + coder.end(), _coding(encoding)


def _coding(encoding: Encoding) -> bytes:
    if encoding is Encoding.IDENTITY:
        return b""
    return b"content-encoding: %s\r\nvary: accept-encoding\r\n" % encoding.value.encode()


def _head(answer: Answer, fields: bytes) -> bytes:
    media = b"" if _bodiless(answer.status) else b"content-type: " + answer.media + b"\r\n"
    own = b"".join(b"%s: %s\r\n" % header for header in answer.headers)
    return b"HTTP/1.1 %d %s\r\n%s%s%s\r\n" % (answer.status, _reason(answer.status), media, fields, own)


def _reason(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b"Unknown"
