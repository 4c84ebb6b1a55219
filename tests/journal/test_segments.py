"""The bytes of a segment: what is a frame, what is torn, and where reading goes on."""

import struct
import zlib

from hypothesis import given
from hypothesis import strategies as st

from gantry.journal.segments import (
    FORMAT_VERSION,
    HEAD_BYTES,
    count_frames,
    declared_bytes,
    encode_frame,
    find_frame,
    mark_of,
    scan_frames,
    segment_name,
)

MARK = mark_of("0192f0c0", 1)
OTHER = mark_of("0192f0c0", 2)


def read_all(data: bytes) -> list[bytes]:
    """Read as a reader of a finished segment does: frames, and after torn bytes the next ones."""
    payloads, position = [], 0
    while position >= 0:
        frames, used = scan_frames(data[position:], MARK, position, 10_000)
        payloads += [frame.payload for frame in frames]
        position = find_frame(data, MARK, position + used + (not frames)) if position + used < len(data) else -1
    return payloads


def test_a_frame_is_head_and_payload() -> None:
    frame = encode_frame(3, b"payload", MARK)

    magic, version, kind, flags, length, crc = struct.unpack(">4sBBHII", frame[:HEAD_BYTES])

    assert (magic, version, kind, flags, length) == (MARK.magic, FORMAT_VERSION, 3, 0, 7)
    assert crc == zlib.crc32(b"payload", MARK.seed ^ int.from_bytes((version, kind, 0, 7)))
    assert frame[HEAD_BYTES:] == b"payload"


def test_frames_of_a_chunk_know_their_places() -> None:
    data = encode_frame(1, b"one", MARK) + encode_frame(2, b"", MARK) + encode_frame(3, b"three", MARK) + bytes(64)

    frames, used = scan_frames(data, MARK, 1000, 10)

    assert [(frame.place, frame.kind, frame.payload) for frame in frames] == [
        (1000, 1, b"one"),
        (1019, 2, b""),
        (1035, 3, b"three"),
    ]
    assert used == len(data) - 64
    assert count_frames(data, MARK) == (3, used)
    assert [frame.kind for frame in scan_frames(data, MARK, 0, 2)[0]] == [1, 2]


def test_every_single_damaged_byte_costs_its_frame_and_no_other() -> None:
    frames = [encode_frame(1, f"payload {number}".encode(), MARK) for number in range(3)]
    start, end = len(frames[0]), len(frames[0]) + len(frames[1])
    whole = b"".join(frames)
    for position in range(start, end):
        damaged = bytearray(whole)
        damaged[position] ^= 0x41

        assert read_all(bytes(damaged)) == [b"payload 0", b"payload 2"], position


def test_a_tail_torn_at_any_byte_is_no_frame() -> None:
    first, second = encode_frame(1, b"first", MARK), encode_frame(1, b"second" * 9, MARK)
    for cut in range(len(second)):
        assert read_all(first + second[:cut]) == [b"first"]
        assert read_all(first + second[:cut] + bytes(100)) == [b"first"]


def test_a_frame_planted_in_a_payload_is_never_taken_for_one() -> None:
    planted = encode_frame(1, b"forged", OTHER)
    outer = bytearray(encode_frame(1, planted * 3, MARK))
    outer[8] ^= 1  # the length: what was inside is now bare
    data = bytes(outer) + encode_frame(1, b"real", MARK)

    assert read_all(data) == [b"real"]


def test_a_declared_length_beyond_the_data_ends_the_scan() -> None:
    frame = encode_frame(1, b"x" * 100, MARK)

    assert scan_frames(frame[:50], MARK, 0, 10) == ([], 0)
    assert declared_bytes(frame[:HEAD_BYTES], MARK) == len(frame)
    assert declared_bytes(frame[: HEAD_BYTES - 1], MARK) == 0
    assert declared_bytes(frame, OTHER) == 0


def test_marks_differ_by_place_and_never_look_like_zeros_or_text() -> None:
    marks = {mark_of(place, number) for place in ("a", "b") for number in range(100)}

    assert len(marks) == 200
    assert all(mark.magic[0] == 0xF5 for mark in marks)


def test_names_sort_like_numbers() -> None:
    assert sorted([segment_name(10), segment_name(9), segment_name(100)]) == [
        segment_name(9),
        segment_name(10),
        segment_name(100),
    ]


@given(
    payloads=st.lists(st.binary(max_size=200), max_size=8),
    garbage=st.lists(st.binary(max_size=40), min_size=9, max_size=9),
)
def test_frames_survive_whatever_lies_between_them(payloads: list[bytes], garbage: list[bytes]) -> None:
    data = garbage[0]
    for payload, rubbish in zip(payloads, garbage[1:], strict=False):
        data += encode_frame(1, payload, MARK) + rubbish

    assert read_all(data) == payloads
