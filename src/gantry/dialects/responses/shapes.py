"""The shapes of items and of their parts in requests and answers."""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from gantry.dialects.chat_shapes import ABSENT


class Head(Struct, gc=False):
    type: str | None = None
    role: str | None = None
    namespace: Raw = ABSENT
    caller: Raw = ABSENT


class Audio(Struct, gc=False):
    data: str
    format: str | None = None


class CacheBreakpoint(Struct, gc=False):
    ttl: str | None = None


class ContentPart(Struct, gc=False):
    """A part of a message, of a tool's output or of a reasoning."""

    type: str | None = None
    text: str | None = None
    refusal: str | None = None
    annotations: list[Raw] | None = None
    logprobs: list[Raw] | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    input_audio: Audio | None = None
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class MessageItem(Struct, gc=False):
    role: str
    content: str | list[Raw] | None = None


class Direct(Struct, tag_field="type", tag="direct", gc=False):
    pass


class FunctionCallItem(Struct, gc=False):
    name: str
    call_id: str | None = None
    id: str | None = None
    arguments: str | None = None


class NamespacedCall(Struct, tag_field="type", tag="function_call", gc=False):
    """A call of a function in a namespace, by the caller and not by a program of the provider's."""

    namespace: str
    name: str
    call_id: str
    arguments: str = "{}"
    caller: Direct | None = None


class CustomCallItem(Struct, gc=False):
    name: str
    call_id: str | None = None
    id: str | None = None
    input: str | None = None


class OutputItem(Struct, gc=False):
    """What a tool said."""

    call_id: str
    output: str | list[Raw] | None = None
    name: str | None = None


class ReasoningItem(Struct, gc=False):
    id: str | None = None
    summary: list[ContentPart] | None = None
    content: list[ContentPart] | None = None
    encrypted_content: str | None = None


class Annotation(Struct, gc=False):
    type: str | None = None
    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None
    filename: str | None = None


decode_head: Final = msgspec.json.Decoder(Head).decode
decode_part: Final = msgspec.json.Decoder(ContentPart).decode
decode_message: Final = msgspec.json.Decoder(MessageItem).decode
decode_function_call: Final = msgspec.json.Decoder(FunctionCallItem).decode
decode_namespaced_call: Final = msgspec.json.Decoder(NamespacedCall).decode
decode_custom_call: Final = msgspec.json.Decoder(CustomCallItem).decode
decode_output: Final = msgspec.json.Decoder(OutputItem).decode
decode_reasoning: Final = msgspec.json.Decoder(ReasoningItem).decode
decode_annotation: Final = msgspec.json.Decoder(Annotation).decode
