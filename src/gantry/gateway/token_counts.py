"""Counting the tokens of a request whose provider does not count: an estimate, and it says so.

Clients that manage their context (Claude Code) ask before each turn. A refusal would stop them, a wrong promise would
not: the count comes with `X-Gantry-Estimated: true`, and the call costs nothing and goes nowhere.
"""

from typing import Final

import msgspec

from gantry.core.chat import (
    ChatRequest,
    FunctionTool,
    Media,
    MediaKind,
    Message,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from gantry.core.vocabulary import Dialect, Outcome
from gantry.dialects.errors import log_id_headers
from gantry.dialects.estimate import count_tokens
from gantry.dialects.gemini.token_count import decode_count_request, encode_count
from gantry.dialects.translate import decode_request
from gantry.gateway.recording import Recording
from gantry.gateway.respond import Responder, answer_whole

ESTIMATED: Final = ("x-gantry-estimated", "true")
_JSON: Final = "application/json"
_PER_TURN: Final = 4
_PER_MEDIUM: Final = {MediaKind.IMAGE: 1200, MediaKind.AUDIO: 1500, MediaKind.VIDEO: 5000, MediaKind.DOCUMENT: 3000}


def answer_count(responder: Responder, recording: Recording, dialect: Dialect, body: bytes, model: str | None) -> None:
    """Write the answer to a request to count, recorded as what it is. Raises InvalidRequest."""
    counted = estimate_count(dialect, body, model)
    recording.close(Outcome.SUCCESS, 200, content_type=_JSON)
    answer_whole(responder, 200, (("content-type", _JSON), ESTIMATED, *log_id_headers(recording.log_id)), counted)


def estimate_count(dialect: Dialect, body: bytes, model: str | None) -> bytes:
    """Return the answer to a request to count. Raises InvalidRequest."""
    if dialect is Dialect.GEMINI:
        return encode_count(estimate_request(decode_count_request(body)))
    count = estimate_request(decode_request(dialect, body, model, stream=False))
    return msgspec.json.encode({"input_tokens": count})


def estimate_request(request: ChatRequest) -> int:
    """Return about how many tokens a request is for its model."""
    told = sum(_turn(message) for message in request.messages)
    offered = sum(
        count_tokens(f"{tool.name} {tool.description or ''} {bytes(tool.schema or b'').decode('utf-8', 'replace')}")
        for tool in request.tools
        if isinstance(tool, FunctionTool)
    )
    return told + offered


def _turn(message: Message) -> int:
    return _PER_TURN + sum(_part(part) for part in message.parts)


def _part(part: Part) -> int:
    match part:
        case Text(text) | Thinking(text):
            return count_tokens(text)
        case ToolCall(_, name, arguments):
            return count_tokens(name + arguments)
        case ToolResult(_, parts):
            return sum(_part(inner) for inner in parts)
        case Media(kind):
            return _PER_MEDIUM[kind]
        case _:
            return 0
