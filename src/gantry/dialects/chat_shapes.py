"""What of a chat answer, or of one chunk of its stream, is worth understanding: the shapes that are decoded into.

One set of shapes serves Mistral and every OpenAI-speaking provider, and whole answers as well as chunks: the same keys
mean the same things, and a key that a provider does not send stays at its default. What is not named here is skipped
without being built, which is what makes reading cheap.

Apart from the reading (`chat_chunk`), which is compiled: structs there would lose the types of their fields.
"""

from typing import Final

from msgspec import Raw, Struct

ABSENT: Final = Raw()  # one object, so that a member that was not there is known without a look at its bytes


class FunctionPart(Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Raw] | None = None  # Mistral also writes an object


class CustomPart(Struct, gc=False):
    name: str | None = None
    input: str | None = None


class ToolCallPart(Struct, gc=False):
    id: str | None = None
    type: str | None = None
    index: int | None = None
    function: FunctionPart | None = None
    custom: CustomPart | None = None


class MessagePart(Struct, gc=False):
    """A whole message or one delta of it."""

    role: str | None = None
    content: str | list[Raw] | None = None
    tool_calls: list[ToolCallPart] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    function_call: FunctionPart | None = None


class ChoicePart(Struct, gc=False):
    index: int = 0
    delta: MessagePart | None = None
    message: Raw = ABSENT
    text: str | None = None  # legacy completions
    finish_reason: str | None = None


class GroqPart(Struct, gc=False):
    """Where streams of one family put the usage that nobody asked for."""

    usage: Raw = ABSENT


class Chunk(Struct, gc=False):
    """One chunk of a stream, or a whole answer."""

    id: str | None = None
    model: str | None = None
    choices: list[ChoicePart] | None = None
    usage: Raw = ABSENT
    usage_info: Raw = ABSENT  # OCR
    x_groq: GroqPart | None = None
    service_tier: str | None = None
    error: Raw = ABSENT
    message: Raw = ABSENT
    detail: Raw = ABSENT


class ContentPart(Struct, gc=False):
    """One item of a content list."""

    type: str | None = None
    text: str | None = None
    thinking: str | list[Raw] | None = None
    signature: str | None = None
    closed: bool | None = None
