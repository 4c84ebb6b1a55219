"""Joining and rejecting: whatever the order between calls, each call comes out as it went in, and every frame once."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.clerk.join import Call, Joined, Unreadable, captured, crash_of, frames_of, join_frames
from gantry.clerk.reject import SUFFIX, Origin, RejectedFrames, kind_of, minimal_row, name_of
from gantry.journal.frames import Direction, Frame, FrameKind, decode_payload, encode_payload
from gantry.journal.segments import FORMAT_VERSION, RawFrame, mark_of, place_of, scan_frames
from tests.clerk.samples import REQUEST, closed, log_id_of, opened, part, posted

KINDS = {"CallOpened": 1, "PartCaptured": 2, "CallClosed": 3, "LogPosted": 4}


def raw(index: int, frame: Frame) -> RawFrame:
    return RawFrame(place_of(1, index), FORMAT_VERSION, KINDS[type(frame).__name__], encode_payload(frame))


def join(frames: list[Frame]) -> Joined:
    joined = Joined()
    join_frames("w", [raw(index, frame) for index, frame in enumerate(frames)], joined)
    return joined


@given(data=st.data(), parts=st.lists(st.lists(st.binary(max_size=5), max_size=5), min_size=1, max_size=6))
def test_calls_come_out_whole_however_they_are_interleaved(data: st.DataObject, parts: list[list[bytes]]) -> None:
    queues: list[list[Frame]] = [
        [opened(n), *(part(n, captured_bytes) for captured_bytes in said), closed(n, body=b"!")]
        for n, said in enumerate(parts)
    ]
    order = data.draw(st.permutations([n for n, queue in enumerate(queues) for _ in queue]))
    cursors = [iter(queue) for queue in queues]

    joined = join([next(cursors[n]) for n in order])

    assert set(joined.calls) == {log_id_of(n) for n in range(len(parts))}
    for n, said in enumerate(parts):
        call = joined.calls[log_id_of(n)]
        assert (call.opened, call.closed) == (opened(n), closed(n, body=b"!"))
        assert captured(call, Direction.REQUEST) == REQUEST
        assert captured(call, Direction.RESPONSE) == b"".join(said) + b"!"
        assert [decode_payload(kind, payload) for kind, payload in frames_of(call)] == queues[n]


def test_a_frame_of_another_version_or_kind_is_unreadable_and_the_others_are_not() -> None:
    joined = Joined()
    frames = [
        RawFrame(1, FORMAT_VERSION + 1, FrameKind.CALL_OPENED, encode_payload(opened(1))),
        RawFrame(2, FORMAT_VERSION, 99, b""),
        RawFrame(3, FORMAT_VERSION, FrameKind.CALL_CLOSED, b"\x90"),
        raw(4, posted(5)),
    ]

    join_frames("w", frames, joined)

    assert [unreadable.frame.place for unreadable in joined.unreadable] == [1, 2, 3]
    assert joined.posted == [posted(5)]
    assert joined.calls == {}


def test_a_crash_ends_at_the_last_sign_of_life_and_never_before_the_call_began() -> None:
    call = Call(log_id_of(1), "w", opened=opened(1, stream=True))
    started_at = opened(1).started_at

    assert crash_of(call, started_at + 5).ended_at == started_at + 5
    assert crash_of(call, 0).ended_at == started_at
    assert crash_of(call, 0).response_content_type == "text/event-stream"


@pytest.mark.parametrize(
    "origin",
    [
        Call(log_id_of(1), "w", opened=opened(1), closed=closed(1)),
        Call("../../etc/passwd", "w", closed=closed(1)),
        Call(log_id_of(1), "w", opened=opened(1)),
        posted(2),
        Unreadable("w", RawFrame(7, 9, 1, b"\xff\xff"), "why"),
        Unreadable("w", RawFrame(7, 9, 4, b"\x92\x01\x02"), "why"),
    ],
)
def test_whatever_is_rejected_has_a_row_and_a_file_that_reads_back(origin: Origin, tmp_path: Path) -> None:
    RejectedFrames(tmp_path / "rejected").keep(origin)
    RejectedFrames(tmp_path / "rejected").keep(origin)

    (path,) = (tmp_path / "rejected").iterdir()
    assert path.name == name_of(origin) + SUFFIX
    data = path.read_bytes()
    frames, used = scan_frames(data, mark_of(path.stem, 0), 0, 10)
    assert (len(frames) > 0, used) == (True, len(data))
    row = minimal_row(origin, "why", now=3)
    assert row is not None
    assert path.name in (row.error_message or "")
    assert row.content_truncated


def test_the_kind_of_an_error_does_not_quote_what_a_caller_said() -> None:
    with pytest.raises(ValueError) as caught:
        int("my secret prompt")

    assert kind_of(caught.value).startswith("ValueError at test_join.py:")
    assert "secret" not in kind_of(caught.value)
