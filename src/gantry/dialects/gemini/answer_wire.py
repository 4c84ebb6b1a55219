"""A provider's answer as it comes: the fields that are read, typed, and everything else passed over."""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from gantry.dialects.members import NULL


class InlineData(Struct, rename="camel", gc=False):
    mime_type: str | None = None
    data: str = ""


class FileData(Struct, rename="camel", gc=False):
    mime_type: str | None = None
    file_uri: str = ""


class PartialArg(Struct, rename="camel", gc=False):
    """A piece of a call's arguments, by its place: Vertex AI streams them so when it is asked to."""

    json_path: str = "$"
    string_value: str | None = None
    number_value: float | None = None
    bool_value: bool | None = None
    will_continue: bool | None = None


class FunctionCall(Struct, rename="camel"):
    id: str | None = None
    name: str | None = None
    args: Raw = NULL
    partial_args: list[PartialArg] | None = None
    will_continue: bool | None = None


class Part(Struct, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: InlineData | None = None
    file_data: FileData | None = None


class Content(Struct):
    parts: list[Raw] | None = None


class Candidate(Struct, rename="camel"):
    content: Content | None = None
    index: int | None = None
    finish_reason: str | int | None = None
    grounding_metadata: Raw = NULL
    citation_metadata: Raw = NULL
    logprobs_result: Raw = NULL


class PromptFeedback(Struct, rename="camel"):
    block_reason: str | int | None = None


class Response(Struct, rename="camel"):
    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: Raw = NULL
    model_version: str | None = None
    response_id: str | None = None
    create_time: str | None = None
    error: Raw = NULL


decode_response: Final = msgspec.json.Decoder(Response).decode
decode_responses: Final = msgspec.json.Decoder(list[Response]).decode
decode_part: Final = msgspec.json.Decoder(Part).decode
