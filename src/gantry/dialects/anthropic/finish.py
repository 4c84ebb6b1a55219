"""Why an answer ended, in Anthropic's words and in ours."""

from typing import Final

from gantry.core.chat import Finish, FinishReason

TOOL_USE: Final = "tool_use"
_END_TURN: Final = "end_turn"
_REASONS: Final = {
    _END_TURN: FinishReason.STOP,
    "stop_sequence": FinishReason.STOP_SEQUENCE,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.CONTEXT,
    TOOL_USE: FinishReason.TOOL_CALLS,
    "refusal": FinishReason.REFUSAL,
    "pause_turn": FinishReason.PAUSE,
    "compaction": FinishReason.PAUSE,
}
_WORDS: Final = {
    FinishReason.STOP: _END_TURN,
    FinishReason.STOP_SEQUENCE: "stop_sequence",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.CONTEXT: "model_context_window_exceeded",
    FinishReason.TOOL_CALLS: TOOL_USE,
    FinishReason.CONTENT_FILTER: "refusal",
    FinishReason.REFUSAL: "refusal",
    FinishReason.PAUSE: "pause_turn",
    FinishReason.ERROR: _END_TURN,
    FinishReason.OTHER: _END_TURN,
}
_NATURAL: Final = frozenset((FinishReason.STOP, FinishReason.OTHER))


def read_finish(reason: str | None, sequence: str | None) -> Finish | None:
    """Return why an answer ended; None while it has not."""
    if reason is None:
        return None
    return Finish(_REASONS.get(reason, FinishReason.OTHER), reason, sequence)


def stop_reason(finish: Finish | None, *, calls: bool) -> str:
    """Return Anthropic's word for the end of an answer that has ended.

    Agents go on after `tool_use` only, and some providers call that a plain stop, or do not say why they stopped.
    """
    if finish is None or (calls and finish.reason in _NATURAL):
        return TOOL_USE if calls else _END_TURN
    if finish.raw is not None and _REASONS.get(finish.raw) is finish.reason:
        return finish.raw
    return _WORDS[finish.reason]
