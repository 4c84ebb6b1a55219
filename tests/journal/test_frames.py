"""Payloads: what `encode_opened` puts together is what the encoder would have made of it in one."""

import pytest
from msgspec.structs import replace

from gantry.journal.frames import CallOpened, FrameKind, decode_payload, encode_opened

OPENED = CallOpened(
    "0" * 32, "o", "k", "prod", 1, "POST", "/v1/ocr", "mistral", "ocr", None, False, "full", 7, "", "", b"", b"", b""
)


@pytest.mark.parametrize("units", [b"", b"{}", b"u" * 300, b"u" * 70_000])
@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_536, 3_000_000])
def test_a_body_that_was_put_in_is_decoded_like_any_other(size: int, units: bytes) -> None:
    body = b"\xc4" * size
    pieces = encode_opened(replace(OPENED, units=units), body)
    assert any(piece is body for piece in pieces)
    assert decode_payload(FrameKind.CALL_OPENED, b"".join(pieces)) == replace(OPENED, units=units, request_body=body)
