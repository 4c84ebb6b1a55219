"""wire/stream_cuts: the cuts are those of the stream, whatever the reads were, down to single bytes."""

import pytest

from gantry.wire.aws_event_stream import encode_message, text_headers
from gantry.wire.stream_cuts import EventCutter, MessageCutter, StreamCutter

EVENTS = [b'data: {"a":1}', b"event: b" + b"%sdata: 2", b": a comment", b"data: [DONE]"]
MESSAGES = [encode_message(text_headers(((":event-type", "a"),)), b"{}" * size) for size in (0, 1, 70)]


def cut_all(cutter: StreamCutter, stream: bytes, size: int) -> list[bytes]:
    """Return the whole events of a stream that is read so many bytes at a time; all of it ends with one."""
    events, begun = [], b""
    for start in range(0, len(stream), size):
        pieces, rest = cutter.cut(stream[start : start + size])
        for piece in pieces:
            events.append(begun + piece)
            begun = b""
        begun += rest
    assert not begun.strip(b"\n")
    return events


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_events_are_cut_where_they_end(line_end: bytes) -> None:
    events = [event.replace(b"%s", line_end) for event in EVENTS]
    stream = b"".join(event + 2 * line_end for event in events)
    for size in range(1, len(stream) + 1):
        found = cut_all(EventCutter(), stream, size)
        assert [event.strip(b"\r\n") for event in found] == events, size


def test_messages_are_cut_where_they_end() -> None:
    stream = b"".join(MESSAGES)
    for size in range(1, len(stream) + 1):
        assert cut_all(MessageCutter(), stream, size) == MESSAGES
