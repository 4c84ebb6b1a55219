"""What calls of each organization came to, by provider and model, as the clerk tells whoever is scraped.

Law: one small file, replaced whole, so that a reader sees all of one moment or of the one before. How many names there
may be is bounded, and the rest count as one; for callers make names up.

These are counters since the clerk began, for charts: the books are in the store.
"""

import os
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

TOKENS: Final = ("input", "cached_input", "output", "reasoning")
BOUNDS_NS: Final = tuple(int(seconds * 1e9) for seconds in (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320))


class Durations(Struct, array_like=True):
    """How many lasted so long: a count for each bound, and one for what is longer. In ns."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS_NS) + 1))
    total: int = 0


class ModelFigures(Struct, array_like=True):
    """Calls of one model. `outcomes` counts them by how they ended; `tokens` are in the order of TOKENS."""

    provider: str
    model: str
    outcomes: dict[str, int] = {}
    tokens: list[int] = msgspec.field(default_factory=lambda: [0] * len(TOKENS))
    cost: int = 0  # nano-dollars
    latency: Durations = msgspec.field(default_factory=Durations)
    time_to_first_token: Durations = msgspec.field(default_factory=Durations)


Figures = dict[str, list[ModelFigures]]  # by organization

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Figures)


def write_figures(path: Path, figures: Figures) -> None:
    """Replace the file. Raises OSError."""
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, _encoder.encode(figures))
    finally:
        os.close(fd)
    aside.replace(path)


def read_figures(path: Path, organization_id: str) -> list[ModelFigures]:
    """Return the figures of an organization; none where there is no file yet, or one of another version."""
    try:
        return _decoder.decode(path.read_bytes()).get(organization_id, [])
    except (OSError, msgspec.DecodeError):
        return []
