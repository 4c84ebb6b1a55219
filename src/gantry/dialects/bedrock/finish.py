"""Why an answer ended, between Bedrock's words and ours."""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.chat import Finish, FinishReason
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.members import UNREADABLE

_REASONS: Final[Mapping[str, FinishReason]] = {
    "end_turn": FinishReason.STOP,
    "tool_use": FinishReason.TOOL_CALLS,
    "max_tokens": FinishReason.LENGTH,
    "stop_sequence": FinishReason.STOP_SEQUENCE,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
    "content_filtered": FinishReason.CONTENT_FILTER,
    "malformed_model_output": FinishReason.ERROR,
    "malformed_tool_use": FinishReason.ERROR,
    "model_context_window_exceeded": FinishReason.CONTEXT,
    "refusal": FinishReason.REFUSAL,
}
_WORDS: Final[Mapping[FinishReason, str]] = {
    FinishReason.STOP: "end_turn",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.STOP_SEQUENCE: "stop_sequence",
    FinishReason.CONTENT_FILTER: "content_filtered",
    FinishReason.REFUSAL: "content_filtered",
    FinishReason.ERROR: "malformed_model_output",
    FinishReason.CONTEXT: "model_context_window_exceeded",
    FinishReason.PAUSE: "end_turn",
}


class _ResponseFields(Struct):
    stop_sequence: str | None = None


_decode_fields: Final = msgspec.json.Decoder(_ResponseFields).decode


def read_finish(word: str, fields: Raw = ABSENT) -> Finish:
    """Return why an answer ended; a caller may have asked for the stop sequence among the response's fields."""
    sequence = None
    if has_value(fields):
        try:
            sequence = _decode_fields(fields).stop_sequence
        except UNREADABLE:
            pass
    return Finish(_REASONS.get(word, FinishReason.OTHER), word, sequence)


def finish_word(finish: Finish) -> str:
    """Return Bedrock's word: its own if it came from there, else the nearest one."""
    raw = finish.raw
    if raw is not None and _REASONS.get(raw) is finish.reason:
        return raw
    return _WORDS.get(finish.reason, "end_turn")
