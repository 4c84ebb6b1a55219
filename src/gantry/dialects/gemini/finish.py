"""Why an answer ended, in Gemini's words and in ours.

Law: a word that is not known is kept, with the reason OTHER. Gemini says STOP after calls too.
Spec: https://ai.google.dev/api/generate-content#FinishReason
"""

from typing import Final

from gantry.core.chat import Finish, FinishReason

_REASONS: Final = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    "SAFETY": FinishReason.CONTENT_FILTER,
    "RECITATION": FinishReason.CONTENT_FILTER,
    "BLOCKLIST": FinishReason.CONTENT_FILTER,
    "PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "SPII": FinishReason.CONTENT_FILTER,
    "MODEL_ARMOR": FinishReason.CONTENT_FILTER,
    "IMAGE_SAFETY": FinishReason.CONTENT_FILTER,
    "IMAGE_PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "IMAGE_RECITATION": FinishReason.CONTENT_FILTER,
    "CONTINUATION": FinishReason.PAUSE,
    "LANGUAGE": FinishReason.OTHER,
    "OTHER": FinishReason.OTHER,
    "IMAGE_OTHER": FinishReason.OTHER,
    "NO_IMAGE": FinishReason.OTHER,
    "MALFORMED_FUNCTION_CALL": FinishReason.ERROR,
    "MALFORMED_RESPONSE": FinishReason.ERROR,
    "UNEXPECTED_TOOL_CALL": FinishReason.ERROR,
    "TOO_MANY_TOOL_CALLS": FinishReason.ERROR,
    "MISSING_THOUGHT_SIGNATURE": FinishReason.ERROR,
}
_WORDS: Final = {
    FinishReason.STOP: "STOP",
    FinishReason.STOP_SEQUENCE: "STOP",
    FinishReason.TOOL_CALLS: "STOP",
    FinishReason.LENGTH: "MAX_TOKENS",
    FinishReason.CONTEXT: "MAX_TOKENS",
    FinishReason.CONTENT_FILTER: "SAFETY",
    FinishReason.REFUSAL: "SAFETY",
}
# `enum-encoding=int`, which Google's own libraries ask for; above 4 the two APIs count differently.
_NUMBERS: Final = {1: "STOP", 2: "MAX_TOKENS", 3: "SAFETY", 4: "RECITATION"}
_OTHER: Final = "OTHER"


def finish_of(word: str | int, *, called: bool) -> Finish:
    raw = word if isinstance(word, str) else _NUMBERS.get(word, str(word))
    reason = _REASONS.get(raw, FinishReason.OTHER)
    if reason is FinishReason.STOP and called:
        reason = FinishReason.TOOL_CALLS
    return Finish(reason, raw)


def blocked(word: str | int) -> Finish:
    """Return the end of an answer that was none, because the prompt was refused."""
    return Finish(FinishReason.CONTENT_FILTER, str(word))


def finish_word(finish: Finish) -> str:
    """Return Gemini's word: the provider's own where it is one."""
    if finish.raw in _REASONS:
        return finish.raw
    return _WORDS.get(finish.reason, _OTHER)
