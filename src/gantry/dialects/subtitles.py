"""Subtitles in SRT and WebVTT from the segments of a transcript.

Law: a cue is one block of lines, so text can neither end it early nor pass for a timing.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

_MILLISECONDS: Final = 1000


class Cue(Struct, frozen=True):
    """A text and when it is said, in seconds."""

    start: float
    end: float
    text: str


def to_srt(cues: Iterable[Cue]) -> str:
    return "".join(
        f"{number}\n{_moment(cue.start, ',')} --> {_moment(cue.end, ',')}\n{_text(cue.text)}\n\n"
        for number, cue in enumerate(cues, 1)
    )


def to_vtt(cues: Iterable[Cue]) -> str:
    blocks = (f"{_moment(cue.start, '.')} --> {_moment(cue.end, '.')}\n{_text(cue.text)}\n\n" for cue in cues)
    return "WEBVTT\n\n" + "".join(blocks)


def _text(text: str) -> str:
    return "\n".join(filter(None, (line.strip() for line in text.replace("-->", "→").splitlines())))


def _moment(seconds: float, mark: str) -> str:
    whole, thousandths = divmod(round(max(seconds, 0.0) * _MILLISECONDS), _MILLISECONDS)
    minutes, second = divmod(whole, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}{mark}{thousandths:03}"
