"""Sound without a codec: short wave forms, how long a recording lasts, and what is heard in it."""

import struct

from msgspec import Struct

from gantry.simulator.oracle import digest, tokenize

_BYTES_PER_SECOND = 16_000  # of what is not a WAV file: 128 kbit/s
_BYTE_RATE = slice(28, 32)
_WORDS = 8
_MAGIC = {"mp3": b"ID3\x04\x00\x00\x00\x00\x00\x00", "flac": b"fLaC", "opus": b"OggS", "aac": b"\xff\xf1", "pcm": b""}
MEDIA = {
    "mp3": b"audio/mpeg",
    "wav": b"audio/wav",
    "flac": b"audio/flac",
    "opus": b"audio/opus",
    "aac": b"audio/aac",
    "pcm": b"audio/pcm",
}


class Segment(Struct, frozen=True):
    """Some words with their times in seconds."""

    text: str
    start: float
    end: float
    speaker: str


def seconds_of(data: bytes) -> int:
    """Return how long a recording lasts, a second at least."""
    rate = _BYTES_PER_SECOND
    if data[:4] == b"RIFF" and len(data) > 44:
        rate = int.from_bytes(data[_BYTE_RATE], "little") or rate
    return max(1, len(data) // rate)


def segments(text: str, seconds: int, *, words: bool = False) -> list[Segment]:
    """Spread a text over a recording, by the word or in groups of words; speakers take turns."""
    tokens = text.split()
    size = 1 if words else _WORDS
    groups = [" ".join(tokens[start : start + size]) for start in range(0, len(tokens), size)]
    step = seconds / max(1, len(groups))
    return [
        Segment(group, round(index * step, 2), round((index + 1) * step, 2), f"speaker_{index % 2 + 1}")
        for index, group in enumerate(groups)
    ]


def waveform(text: str, form: str = "wav") -> bytes:
    """Return a short piece of sound in a format, another one for another text; only WAV can be played."""
    samples = bytes.fromhex(digest(text)) * (2 * len(tokenize(text)) + 40)
    if form != "wav":
        return _MAGIC.get(form, b"") + samples
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8)
    data = struct.pack("<4sI", b"data", len(samples)) + samples
    return struct.pack("<4sI4s", b"RIFF", 4 + len(head) + len(data), b"WAVE") + head + data
