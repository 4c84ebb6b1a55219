"""Refusals: `{"id": …, "message": …}`. In a stream, the last event says `ERROR` and why; the SDKs raise nothing."""

from typing import Any

import msgspec

from gantry.core.chat import ProviderError
from gantry.dialects.chat_chunk import read_chunk
from gantry.dialects.error_message import clip_message, error_message
from gantry.dialects.frames import named_frame


def decode_error(status: int, body: bytes) -> ProviderError:
    """Return a refusal. Never raises; a body that is none is shown as far as it is text."""
    chunk = read_chunk(body)
    message = None if chunk is None else error_message(chunk)
    return ProviderError(status, message or clip_message(body.decode("utf-8", "replace")) or "no reason was given")


def encode_error(error: ProviderError) -> bytes:
    """Return the body of a refusal."""
    return msgspec.json.encode({"message": error.message})


def stream_error(message: str) -> bytes:
    """Return the event that tells a client in the middle of a stream that it failed."""
    delta: dict[str, Any] = {"finish_reason": "ERROR", "error": message}
    return named_frame("message-end", {"type": "message-end", "delta": delta})
