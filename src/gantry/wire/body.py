"""Bodies of HTTP/1.1 messages: three small readers, one per framing.

Law: bytes in, the body's bytes out; once `done`, what followed lies in `rest`. Where a body ends is never guessed
(RFC 9112 §6.3, §7.1).
"""

import re
from typing import Final

MAX_CHUNK_LINE: Final = 1024
MAX_TRAILER_BYTES: Final = 8192
LAST_CHUNK: Final = b"0\r\n\r\n"
_CRLF: Final = b"\r\n"
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\Z")
_TRAILER_LINE: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\Z")


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
            place = data.find(_CRLF) + 2
            length = len(data) - place - 2
            if length > 0 and data.startswith(b"%x\r\n" % length) and data.endswith(_CRLF):
                return data[place:-2]
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


def encode_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
