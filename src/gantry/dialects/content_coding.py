"""Content codings of captured bodies: gzip, deflate and br, under a bound.

Law: never raises and never grows past its limit, because a few kilobytes can ask for gigabytes; and takes no longer
than its length, for a body can be gzip in gzip many times over, or a million members of nothing. A body that was cut is
decoded as far as it goes. Upstreams are asked for identity; this is for those that compress all the same.
"""

import zlib
from typing import Final

import brotli
from msgspec import Struct

DEFAULT_LIMIT: Final = 32 * 1024 * 1024
_IDENTITY: Final = ("", "identity", "none")
_ANY_ZLIB_WRAPPER: Final = 32 + zlib.MAX_WBITS
_MOST_CODINGS: Final = 4
_MOST_MEMBERS: Final = 10_000  # of one gzip body
_PIECE: Final = 16 * 1024  # bytes read at once: what follows a member is copied


class Decoded(Struct, frozen=True):
    """What came out; `problem` says why it is not the whole of it."""

    body: bytes
    problem: str | None = None


def decode_content(body: bytes, content_encoding: str, limit: int = DEFAULT_LIMIT) -> Decoded:
    """Return a body without its content codings, the last applied undone first."""
    decoded = Decoded(body)
    if not content_encoding:
        return decoded
    codings = content_encoding.lower().split(",")
    if len(codings) > _MOST_CODINGS:
        return Decoded(b"", f"it has more than {_MOST_CODINGS} content codings")
    for coding in reversed(codings):
        decoded = _undo(coding.strip(), decoded.body, limit)
        if decoded.problem is not None:
            return decoded
    return decoded


def _undo(coding: str, body: bytes, limit: int) -> Decoded:
    if coding in _IDENTITY:
        return Decoded(body)
    if not body:
        return Decoded(b"")
    if coding in ("gzip", "x-gzip"):
        return _inflate(body, _ANY_ZLIB_WRAPPER, limit)
    if coding == "deflate":
        wrapped = _inflate(body, _ANY_ZLIB_WRAPPER, limit)
        # Some servers send raw deflate under this name.
        return wrapped if wrapped.body else _inflate(body, -zlib.MAX_WBITS, limit)
    if coding == "br":
        return _unbrotli(body, limit)
    return Decoded(b"", f"the content coding {coding!r} is not known here")


def _inflate(body: bytes, wrapper: int, limit: int) -> Decoded:
    out = bytearray()
    view, place = memoryview(body), 0
    for _ in range(_MOST_MEMBERS):
        machine = zlib.decompressobj(wrapper)
        while not machine.eof:
            piece = view[place : place + _PIECE]
            if not piece:
                return Decoded(bytes(out), "the compressed body is cut short")
            try:
                out += machine.decompress(piece, limit - len(out) + 1)
            except zlib.error:
                return Decoded(bytes(out[:limit]), "the compressed body is damaged")
            if len(out) > limit:
                return Decoded(bytes(out[:limit]), f"the body is larger than {limit} bytes when decompressed")
            place += len(piece) - len(machine.unused_data)
        if place == len(body):
            return Decoded(bytes(out))
    return Decoded(bytes(out), f"the compressed body has more than {_MOST_MEMBERS} members")


def _unbrotli(body: bytes, limit: int) -> Decoded:
    machine = brotli.Decompressor()
    try:
        out: bytes = machine.process(body, output_buffer_limit=limit + 1)
        while len(out) <= limit and not machine.is_finished() and not machine.can_accept_more_data():
            out += machine.process(b"", output_buffer_limit=limit + 1 - len(out))
    except brotli.error:
        return Decoded(b"", "the compressed body is damaged")
    if len(out) > limit:
        return Decoded(out[:limit], f"the body is larger than {limit} bytes when decompressed")
    if not machine.is_finished():
        return Decoded(out, "the compressed body is cut short")
    return Decoded(out)
