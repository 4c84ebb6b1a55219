"""Counting a prompt: a request to `/v1/messages/count_tokens` is one to the Messages API without a bound and a stream.

Format: https://docs.anthropic.com/en/api/messages-count-tokens
"""

import msgspec

from gantry.core.chat import ChatRequest
from gantry.dialects.anthropic.read_request import read_request


def decode_count_request(body: bytes) -> ChatRequest:
    """Return the prompt that is to be counted. Raises InvalidRequest."""
    return read_request(body)


def encode_count(input_tokens: int) -> bytes:
    return msgspec.json.encode({"input_tokens": input_tokens})
