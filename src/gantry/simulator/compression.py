"""Content encodings, as real edges apply them: what the client accepts, also on a stream, flushed after each event."""

import zlib
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

import brotli


class Encoding(StrEnum):
    IDENTITY = "identity"
    GZIP = "gzip"
    BROTLI = "br"


class Compressor(Protocol):
    def piece(self, data: bytes) -> bytes:
        """Return all of what `data` becomes, flushed."""

    def end(self) -> bytes: ...


class _Gzip:
    def __init__(self) -> None:
        self._state = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)

    def piece(self, data: bytes) -> bytes:
        return self._state.compress(data) + self._state.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._state.flush()


class _Brotli:
    def __init__(self) -> None:
        self._state = brotli.Compressor(quality=4)

    def piece(self, data: bytes) -> bytes:
        compressed: bytes = self._state.process(data) + self._state.flush()
        return compressed

    def end(self) -> bytes:
        rest: bytes = self._state.finish()
        return rest


@lru_cache(maxsize=256)
def negotiate(accepted: bytes | None) -> Encoding:
    """Choose from an Accept-Encoding header: br, then gzip, unless refused with q=0."""
    weights: dict[str, float] = {}
    for item in (accepted or b"").decode("latin-1").lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        try:
            weights[name] = float(quality)
        except ValueError:
            weights[name] = 0.0
    for encoding in (Encoding.BROTLI, Encoding.GZIP):
        if weights.get(encoding, 0.0) > 0:
            return encoding
    return Encoding.IDENTITY


def compressor(encoding: Encoding) -> Compressor | None:
    match encoding:
        case Encoding.GZIP:
            return _Gzip()
        case Encoding.BROTLI:
            return _Brotli()
        case Encoding.IDENTITY:
            return None
