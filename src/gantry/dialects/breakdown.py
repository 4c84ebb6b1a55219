"""The breakdown of a call in its own answer, for callers that ask for it: `request_breakdown`.

Law: pure, and it adds without changing: an answer's own bytes stay as they are, with one more member at the end; a
stream gets one more chunk, which carries all that any SDK demands of a chunk. What nobody knows is null, never 0.

Mistral's clients read the usage of the chunk that comes last, so that one has none for them; OpenAI's has an empty one,
as Respan sends it.
"""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.money import usd_from_nano
from gantry.core.vocabulary import Dialect
from gantry.dialects.fold import Answer
from gantry.dialects.question import Question

NAME: Final = "request_breakdown"
_CHUNK_MODEL: Final = "extra_parameter"
_NS: Final = 1_000_000_000
_SPACES: Final = b" \t\r\n"
_encode: Final = msgspec.json.Encoder().encode
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)


class Figures(Struct, frozen=True, kw_only=True, gc=False):
    """What the gateway measured of a call. Durations and times in ns, money in nano-dollars."""

    model: str | None
    status: int
    stream: bool
    ended_at: int
    latency: int
    routing_time: int | None
    cost: int | None
    metadata: dict[str, Any]
    cached: bool = False


def describe_call(request: bytes, question: Question, answer: Answer, figures: Figures) -> dict[str, Any]:
    """Return the breakdown of a call under Respan's names: seconds, dollars, ISO times."""
    usage = answer.usage
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "cost": None if figures.cost is None else usd_from_nano(figures.cost),
        "prompt_messages": _embed(question.input),
        "completion_message": _embed(answer.message),
        "model": answer.model or figures.model,
        "cached": figures.cached,
        "timestamp": datetime.fromtimestamp(figures.ended_at / _NS, UTC).isoformat().replace("+00:00", "Z"),
        "status_code": figures.status,
        "stream": figures.stream,
        "latency": figures.latency / _NS,
        "routing_time": None if figures.routing_time is None else figures.routing_time / _NS,
        "metadata": figures.metadata,
        "full_request": _embed(request),
        "scores": {},
        "category": "",
        "sentiment_score": None,
    }


def add_to_answer(body: bytes, breakdown: dict[str, Any]) -> bytes:
    """Return a JSON object with the breakdown as its last member; any other body as it is."""
    end = len(body.rstrip(_SPACES)) - 1
    try:
        members = msgspec.json.decode(body, type=dict[str, Raw])
    except _UNREADABLE:
        return body
    comma = b"," if members else b""
    return b'%b%b"%b":%b%b' % (body[:end], comma, NAME.encode(), _encode(breakdown), body[end:])


def chunk_of(breakdown: dict[str, Any], dialect: Dialect, created: int) -> bytes:
    """Return the breakdown as an event of a stream. `created` is in seconds since the epoch."""
    choice = {
        "index": 0,
        "delta": {"role": "assistant", "content": None},
        "message": breakdown["completion_message"],
        "finish_reason": "stop",
        NAME: breakdown,
    }
    chunk: dict[str, Any] = {
        "id": NAME,
        "object": "chat.completion.chunk",
        "created": created,
        "model": _CHUNK_MODEL,
        "choices": [choice],
    }
    if dialect is Dialect.OPENAI_CHAT:
        chunk["usage"] = {}
    return b"data: %b\n\n" % _encode(chunk)


def _embed(text: str | bytes | None) -> Raw | str | None:
    """Return JSON as what it is and other text as a string."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=Raw)
    except _UNREADABLE:
        return text if isinstance(text, str) else text.decode("utf-8", "replace")
