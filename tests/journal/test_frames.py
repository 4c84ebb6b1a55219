"""Payloads: what `encode_opened` puts together is what the encoder would have made of it in one; and what notes say."""

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from gantry.core.limits import Counted, CounterKind
from gantry.journal.frames import CallOpened, FrameKind, HoldNote, decode_payload, encode_opened

OPENED = CallOpened(
    "0" * 32, "o", "k", "prod", 1, "POST", "/v1/ocr", "mistral", "ocr", None, False, "full", 7, "", "", b"", b"", b""
)


@pytest.mark.parametrize("units", [b"", b"{}", b"u" * 300, b"u" * 70_000])
@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_536, 3_000_000])
def test_a_body_that_was_put_in_is_decoded_like_any_other(size: int, units: bytes) -> None:
    body = b"\xc4" * size
    opened = replace(OPENED, units=units, trace_parent="t" * (len(units) % 70))
    pieces = encode_opened(opened, body)
    assert any(piece is body for piece in pieces)
    assert decode_payload(FrameKind.CALL_OPENED, b"".join(pieces)) == replace(opened, request_body=body)


def test_counters_stand_in_the_open_frame_and_their_amounts_in_both() -> None:
    window, gauge = Counted(b"w" * 16, "cost", 0, 3, 0), Counted(b"g" * 16, "concurrency", CounterKind.GAUGE, 0, 0)
    held = HoldNote(9, 2, counters=Raw(msgspec.msgpack.encode([window, gauge])), amounts=(9, 1))
    opened = decode_payload(FrameKind.CALL_OPENED, msgspec.msgpack.encode(replace(OPENED, hold=held)))
    assert isinstance(opened, CallOpened)
    assert opened.hold is not None
    assert opened.hold.counted == [replace(window, amount=9)]
    assert HoldNote(7, 2, amounts=(7, 0)).counted_on(opened.hold.counters) == [replace(window, amount=7)]
    assert HoldNote(7, 2).counted_on(opened.hold.counters) == []


def test_a_note_of_a_worker_before_that_has_its_counters_in_each_frame() -> None:
    counted = Counted(b"w" * 16, "cost", 0, 3, 8, 200_000)
    before = msgspec.msgpack.decode(msgspec.msgpack.encode((9, 2, [counted], True, 200_000)), type=HoldNote)
    assert (before.counted, before.counted_on(before.counters), before.on_credits) == ([counted], [counted], True)
