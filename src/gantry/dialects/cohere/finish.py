"""Why an answer ended, between Cohere's words and ours."""

from collections.abc import Mapping
from typing import Final

from gantry.core.chat import Finish, FinishReason

_REASONS: Final[Mapping[str, FinishReason]] = {
    "COMPLETE": FinishReason.STOP,
    "STOP_SEQUENCE": FinishReason.STOP_SEQUENCE,
    "MAX_TOKENS": FinishReason.LENGTH,
    "TOOL_CALL": FinishReason.TOOL_CALLS,
    "ERROR": FinishReason.ERROR,
    "TIMEOUT": FinishReason.ERROR,
    "ERROR_TOXIC": FinishReason.CONTENT_FILTER,
    "ERROR_LIMIT": FinishReason.CONTEXT,
}
_WORDS: Final[Mapping[FinishReason, str]] = {
    FinishReason.STOP_SEQUENCE: "STOP_SEQUENCE",
    FinishReason.LENGTH: "MAX_TOKENS",
    FinishReason.CONTEXT: "MAX_TOKENS",
    FinishReason.TOOL_CALLS: "TOOL_CALL",
    FinishReason.ERROR: "ERROR",
    FinishReason.CONTENT_FILTER: "ERROR_TOXIC",
    FinishReason.REFUSAL: "ERROR_TOXIC",
}


def read_finish(word: str) -> Finish:
    return Finish(_REASONS.get(word, FinishReason.OTHER), word)


def finish_word(finish: Finish) -> str:
    """Return Cohere's word: its own if it came from there, else the nearest one."""
    raw = finish.raw
    if raw is not None and _REASONS.get(raw) is finish.reason:
        return raw
    return _WORDS.get(finish.reason, "COMPLETE")
