"""Content codings under a bound."""

import gzip
import zlib

import brotli
import pytest

from gantry.dialects.content_coding import Decoded, decode_content

BODY = b'{"hello":"world"}' * 50


def raw_deflate(body: bytes) -> bytes:
    machine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return machine.compress(body) + machine.flush()


CODINGS = {
    "": BODY,
    "identity": BODY,
    "gzip": gzip.compress(BODY),
    "x-gzip": gzip.compress(BODY),
    "GZIP": gzip.compress(BODY),
    "deflate": zlib.compress(BODY),
    "br": brotli.compress(BODY),
    "gzip, br": brotli.compress(gzip.compress(BODY)),
}


@pytest.mark.parametrize(("coding", "body"), CODINGS.items(), ids=CODINGS)
def test_undoes_every_coding(coding: str, body: bytes) -> None:
    assert decode_content(body, coding) == Decoded(BODY)


def test_raw_deflate_is_understood_too() -> None:
    assert decode_content(raw_deflate(BODY), "deflate") == Decoded(BODY)


def test_members_of_gzip_are_joined() -> None:
    assert decode_content(gzip.compress(b"a") + gzip.compress(b"b"), "gzip").body == b"ab"


BOMBS = {
    "gzip": gzip.compress(bytes(1 << 20)),
    "deflate": zlib.compress(bytes(1 << 20)),
    "br": brotli.compress(bytes(1 << 20)),
}


@pytest.mark.parametrize(("coding", "body"), BOMBS.items(), ids=BOMBS)
def test_stops_at_the_limit(coding: str, body: bytes) -> None:
    decoded = decode_content(body, coding, limit=1000)
    assert len(decoded.body) == 1000
    assert decoded.problem == "the body is larger than 1000 bytes when decompressed"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_a_cut_body_is_decoded_as_far_as_it_goes(coding: str) -> None:
    decoded = decode_content(CODINGS[coding][:-3], coding)
    assert decoded.problem == "the compressed body is cut short"
    assert BODY.startswith(decoded.body)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_rubbish_is_reported(coding: str) -> None:
    assert decode_content(b"\xff\xff\xff\xff rubbish", coding).problem is not None


def test_an_unknown_coding_is_reported() -> None:
    assert decode_content(b"x", "zstd") == Decoded(b"", "the content coding 'zstd' is not known here")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_an_empty_body_is_empty(coding: str) -> None:
    assert decode_content(b"", coding) == Decoded(b"")


def test_a_body_of_many_pieces_is_whole() -> None:
    body = bytes(range(256)) * 4096
    for level in (0, 1):
        packed = gzip.compress(body, level) + gzip.compress(b"end")
        assert decode_content(packed, "gzip") == Decoded(body + b"end")


def test_members_of_nothing_are_too_many() -> None:
    decoded = decode_content(gzip.compress(b"") * 20_000, "gzip")
    assert decoded == Decoded(b"", "the compressed body has more than 10000 members")


def test_codings_upon_codings_are_too_many() -> None:
    decoded = decode_content(BODY, ",".join(["gzip"] * 1000))
    assert decoded == Decoded(b"", "it has more than 4 content codings")
