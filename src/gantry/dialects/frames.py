"""Server-sent events as bytes, for encoders of streams."""

from typing import Any, Final

import msgspec

EVENT_STREAM: Final = "text/event-stream"
DONE: Final = b"data: [DONE]\n\n"
_encode: Final = msgspec.json.Encoder().encode


def data_frame(value: Any) -> bytes:
    """Return an event of JSON without a name, as OpenAI, Mistral and Gemini send it."""
    return b"data: %b\n\n" % _encode(value)


def named_frame(name: str, value: Any) -> bytes:
    """Return an event of JSON with its name, as Anthropic and OpenAI's Responses send it."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode(value))
