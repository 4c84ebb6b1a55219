"""Heads that come again. What was concluded from one is not concluded twice.

Law: recognised means as good as parsed. A request's head must be the same bytes but for the digits of its length; a
response's, the same lines but for values that decide nothing here, each checked for what llhttp allows in a value.
"""

import re
from typing import Final

from gantry.wire.head import (
    MAX_HEADERS,
    MAX_LENGTH_DIGITS,
    Likeness,
    RequestHead,
    ResponseHead,
    parse_response_head,
)

# What these say decides how a message is read or passed on, so heads of one shape say the same in them.
_DECISIVE: Final = frozenset(
    (b"connection", b"transfer-encoding", b"content-encoding", b"content-type", b"trailer", b"upgrade")
)
_MAX_SEEN: Final = 64
_MAX_TRIED: Final = 4
_VALUE: Final = rb"([\t\x20-\x7e\x80-\xff]*)"
_LENGTH: Final = rb"[ \t]*([0-9]{1,%d})[ \t]*" % MAX_LENGTH_DIGITS
_CRLF: Final = b"\r\n"


class HeadTemplate:
    """A head that was parsed, and may come again: on one connection, heads mostly differ in their Content-Length alone.

    What matches is, byte for byte, a head that was found valid, but for the digits of its length. So nothing is parsed,
    and the same object serves again; its last exchange is over when the next head is read.
    """

    __slots__ = ("_after", "_before", "_behind", "_digits_at", "_head")

    def __init__(self, data: bytes, head: RequestHead) -> None:
        self._head = head
        name = data.lower().find(b"\r\ncontent-length:")
        if name < 0:
            self._before, self._after = data, b""
            self._digits_at, self._behind = 0, b""
            return
        start = name + len(b"\r\ncontent-length:")
        while data[start] in b" \t":
            start += 1
        end = start
        while data[end] in b"0123456789":
            end += 1
        self._before, self._after = data[:start], data[end:]
        self._digits_at, self._behind = start, data[end : end + 1]

    def forget(self) -> None:
        """Let go of what was noted of the head, once its last exchange is over.

        Notes mostly hold the head in turn, and then nothing but the garbage collector would ever find the two.
        """
        self._head.notes = None

    def match(self, data: bytes) -> RequestHead | None:
        """Return the head that begins these bytes, if it is this one again."""
        if not data.startswith(self._before):
            return None
        head, after = self._head, self._after
        if not after:
            return head
        start = self._digits_at
        end = data.find(self._behind, start)
        digits = data[start:end]
        if not digits.isdigit() or len(digits) > MAX_LENGTH_DIGITS or not data.startswith(after, end):
            return None
        head.content_length = int(digits)
        head.size = end + len(after)
        return head


class ResponseHeads:
    """Reads the response heads of one origin, which mostly differ in their values alone."""

    __slots__ = ("_seen", "_shapes")

    def __init__(self) -> None:
        self._shapes: list[_HeadShape] = []  # the one that came last first
        self._seen: set[bytes] = set()

    def find(self, data: bytes) -> ResponseHead | None:
        """Return the head that begins these bytes, if it is whole and of a shape that is known."""
        for shape in self._shapes:
            head = shape.match(data)
            if head is not None:
                if shape is not self._shapes[0]:
                    self._shapes.remove(shape)
                    self._shapes.insert(0, shape)
                return head
        return None

    def read(self, data: bytes) -> ResponseHead:
        """Return the head in `data`, which ends with its blank line. Raises FramingError."""
        head = self.find(data)
        if head is None or head.size != len(data):
            head = parse_response_head(data)
            self._learn(head)
        return head

    def _learn(self, head: ResponseHead) -> None:
        """Remember a shape that came twice: compiling one costs as much as parsing a hundred heads."""
        if len(head.headers) > MAX_HEADERS:
            return
        pattern = _pattern_of(head)
        if pattern not in self._seen:
            if len(self._seen) >= _MAX_SEEN:
                self._seen.clear()
            self._seen.add(pattern)
            return
        self._shapes.insert(0, _HeadShape(head, pattern))
        del self._shapes[_MAX_TRIED:]


class _HeadShape:
    """The heads that have one pattern."""

    __slots__ = ("_chunked", "_keep_alive", "_length_at", "_likeness", "_match", "_status")

    def __init__(self, head: ResponseHead, pattern: bytes) -> None:
        self._match = re.compile(pattern, re.DOTALL).match
        self._status = head.status
        self._keep_alive = head.keep_alive
        self._chunked = head.chunked
        varying = [name for name, _ in head.headers if name not in _DECISIVE]
        self._length_at = varying.index(b"content-length") if head.content_length is not None else None
        self._likeness = Likeness(varying)

    def match(self, data: bytes) -> ResponseHead | None:
        """Return the head that begins these bytes, if it has this shape: no value holds the end of a line."""
        found = self._match(data)
        if found is None:
            return None
        values = found.groups()
        length = None if self._length_at is None else int(values[self._length_at])
        return ResponseHead(
            data, found.end(), self._status, self._keep_alive, self._chunked, length, self._likeness, values
        )


def _pattern_of(head: ResponseHead) -> bytes:
    """Return a regular expression for the heads that differ from this one in values which decide nothing."""
    lines = head.data[: head.size].split(_CRLF)
    parts = [re.escape(lines[0])]
    for line, (name, _) in zip(lines[1:-2], head.headers, strict=True):
        if name in _DECISIVE:
            parts.append(re.escape(line))
        else:
            written, _, _ = line.partition(b":")
            parts.append(re.escape(written) + b":" + (_LENGTH if name == b"content-length" else _VALUE))
    return _CRLF.join([*parts, b"", b""])
