"""A whole answer for a client of Gemini's: `GenerateContentResponse`."""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from gantry.core.chat import ChatAnswer, Choice, Text
from gantry.dialects.codec import Asking
from gantry.dialects.gemini.answer_parts import shows_thoughts, wire_parts
from gantry.dialects.gemini.citations import encode_citations
from gantry.dialects.gemini.finish import finish_word
from gantry.dialects.gemini.logprobs import encode_logprobs
from gantry.dialects.gemini.usage import encode_usage

_YEAR_10000: Final = 253_402_300_800
_encode: Final = msgspec.json.Encoder().encode


def encode_answer(answer: ChatAnswer, asking: Asking) -> bytes:
    """Return a whole answer for a client."""
    thoughts = shows_thoughts(asking)
    body: dict[str, Any] = {"candidates": [_candidate(choice, thoughts=thoughts) for choice in answer.choices]}
    usage = encode_usage(answer.usage)
    if usage is not None:
        body["usageMetadata"] = usage
    body |= {
        "modelVersion": answer.model or asking.request.model,
        "createTime": timestamp(answer.created, asking.created),
        "responseId": answer.id or asking.id,
    }
    return _encode(body)


def _candidate(choice: Choice, *, thoughts: bool) -> dict[str, Any]:
    parts = wire_parts(choice, thoughts=thoughts)
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": choice.index}
    if choice.finish is not None:
        candidate["finishReason"] = finish_word(choice.finish)
    candidate |= encode_logprobs(choice.logprobs)
    return candidate | encode_citations((part.text, part.citations) for part in choice.parts if isinstance(part, Text))


def timestamp(said: int | None, now: int) -> str:
    """Return when an answer was made; now, where its provider says nothing that can be: some count milliseconds."""
    seconds = said if said is not None and 0 < said < _YEAR_10000 else now
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
