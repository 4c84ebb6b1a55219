"""The usage of most answers, read at once: it tells of input and output, and of nothing that has a price of its own.

Law: it says what `read_reported_usage` says, or nothing. What it does not know whole it leaves to that.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from gantry.dialects.members import UNREADABLE
from gantry.dialects.usage import MAX_COUNT

MOST_BYTES: Final = 8 * 1024  # of an answer, which is looked through whole


class _Nothing(Struct, forbid_unknown_fields=True, gc=False):
    """Details, as long as they are of nothing."""

    cached_tokens: int | None = 0
    audio_tokens: int | None = 0
    reasoning_tokens: int | None = 0
    accepted_prediction_tokens: int | None = 0
    rejected_prediction_tokens: int | None = 0
    ephemeral_5m_input_tokens: int | None = 0
    ephemeral_1h_input_tokens: int | None = 0


_NOTHING: Final = (_Nothing(), None)


class _Usage(Struct, forbid_unknown_fields=True, gc=False):
    """OpenAI's and Mistral's words, and Anthropic's."""

    prompt_tokens: int = -1
    completion_tokens: int = -1
    total_tokens: int = -1
    prompt_tokens_details: _Nothing | None = None
    completion_tokens_details: _Nothing | None = None
    input_tokens: int = -1
    output_tokens: int = -1
    cache_creation_input_tokens: int | None = 0
    cache_read_input_tokens: int | None = 0
    cache_creation: _Nothing | None = None


class _Answer(Struct, gc=False):
    usage: Raw = Raw()


class _PlainAnswer(Struct, gc=False):
    usage: _Usage | None = None


PlainUsage = tuple[int, int, int]  # tokens of input, of output, of both


_decode_usage: Final = msgspec.json.Decoder(_Usage).decode
_decode_answer: Final = msgspec.json.Decoder(_Answer).decode
_decode_plain_answer: Final = msgspec.json.Decoder(_PlainAnswer).decode


def usage_in_answer(body: bytes) -> bytes:
    """Return the usage object of a whole answer; b"" where there is none."""
    try:
        return bytes(_decode_answer(body).usage)
    except UNREADABLE:
        return b""


def read_plain(raw: bytes) -> PlainUsage | None:
    """Return what a usage object says; None where that may be more than this."""
    try:
        return _plain(_decode_usage(raw))
    except UNREADABLE:
        return None


def read_plain_answer(body: bytes) -> PlainUsage | None:
    """Return what the usage object of a whole answer says; None where there is none, or it may be more than this."""
    try:
        found = _decode_plain_answer(body).usage
    except UNREADABLE:
        return None
    return None if found is None else _plain(found)


def _plain(found: _Usage) -> PlainUsage | None:
    told, written, total = found.prompt_tokens, found.completion_tokens, found.total_tokens
    if told < 0:
        if found.input_tokens < 0 or total >= 0 or written >= 0:
            return None
        told, written = found.input_tokens, found.output_tokens
        if found.cache_creation_input_tokens or found.cache_read_input_tokens:
            return None
        total = told + written
    elif total < 0 or found.input_tokens >= 0 or found.output_tokens >= 0:
        return None
    asked, answered, written_down = found.prompt_tokens_details, found.completion_tokens_details, found.cache_creation
    if (asked or answered or written_down) and any(one not in _NOTHING for one in (asked, answered, written_down)):
        return None
    if written < 0 or told > MAX_COUNT or written > MAX_COUNT or total > MAX_COUNT:
        return None
    return told, written, total
