"""The members of an OpenAI or Mistral chat request that are understood, as types.

Law: one decoding checks all of them, and what is wrong is told by its path. What is not named here is not read; at the
top level the codecs keep it. A member that only one of the two formats has stands here too, because clients of either
write to the same path.
"""

from msgspec import Raw, Struct

from gantry.dialects.chat_chunk import has_value
from gantry.dialects.chat_shapes import ABSENT


class CacheIn(Struct, gc=False):
    ttl: str | None = None


class UrlIn(Struct, gc=False):
    url: str
    detail: str | None = None


class AudioIn(Struct, gc=False):
    data: str
    format: str | None = None


class FileIn(Struct, gc=False):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class PartIn(Struct, gc=False):
    type: str
    text: str | None = None
    image_url: str | UrlIn | None = None
    detail: str | None = None
    input_audio: str | AudioIn | None = None
    file: FileIn | None = None
    file_id: str | None = None
    refusal: str | None = None
    video_url: str | UrlIn | None = None
    document_url: str | UrlIn | None = None
    document_name: str | None = None
    thinking: str | list[Raw] | None = None
    signature: str | None = None
    cache_control: CacheIn | None = None


class FunctionCallIn(Struct, gc=False):
    name: str
    arguments: str | dict[str, Raw] | None = None


class CustomCallIn(Struct, gc=False):
    name: str
    input: str | None = None


class GoogleIn(Struct, gc=False):
    thought_signature: str | None = None


class ExtraIn(Struct, gc=False):
    google: GoogleIn | None = None


class CallIn(Struct, gc=False):
    id: str | None = None
    function: FunctionCallIn | None = None
    custom: CustomCallIn | None = None
    extra_content: ExtraIn | None = None


class MessageIn(Struct, gc=False):
    role: str
    content: str | list[PartIn] | None = None
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: list[CallIn] | None = None
    function_call: FunctionCallIn | None = None
    refusal: str | None = None
    audio: Raw = ABSENT
    prefix: bool | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: Raw = ABSENT
    thinking_blocks: Raw = ABSENT
    annotations: Raw = ABSENT
    cache_control: CacheIn | None = None


class FunctionIn(Struct, gc=False):
    name: str
    description: str | None = None
    parameters: Raw = ABSENT
    strict: bool | None = None


class ToolIn(Struct, gc=False):
    type: str | None = None
    function: FunctionIn | None = None
    cache_control: CacheIn | None = None


class NamedIn(Struct, gc=False):
    name: str


class ChosenIn(Struct, gc=False):
    """One tool of a choice: a function, a custom tool, or a provider's own by its type."""

    type: str | None = None
    function: NamedIn | None = None
    custom: NamedIn | None = None


class AllowedIn(Struct, gc=False):
    tools: list[ChosenIn]
    mode: str = "auto"


class ChoiceIn(Struct, gc=False):
    type: str | None = None
    function: NamedIn | None = None
    custom: NamedIn | None = None
    allowed_tools: AllowedIn | None = None


class SchemaIn(Struct, gc=False):
    name: str | None = None
    description: str | None = None
    schema: Raw = ABSENT
    strict: bool | None = None


class FormatIn(Struct, gc=False):
    type: str
    json_schema: SchemaIn | None = None


class StreamOptionsIn(Struct, gc=False):
    include_usage: bool | None = None


class ThinkingIn(Struct, gc=False):
    """Respan's and DeepSeek's switch."""

    type: str | None = None
    budget_tokens: int | None = None


class ReasoningIn(Struct, gc=False):
    """OpenRouter's."""

    effort: str | None = None
    max_tokens: int | None = None
    exclude: bool | None = None
    enabled: bool | None = None
    summary: str | None = None


class RequestIn(Struct, gc=False):
    """What both formats have."""

    model: str
    messages: list[MessageIn]
    stream: bool | None = None
    tools: list[ToolIn] | None = None
    tool_choice: str | ChoiceIn | None = None
    parallel_tool_calls: bool | None = None
    response_format: FormatIn | None = None
    reasoning_effort: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: str | list[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    metadata: Raw = ABSENT


class OpenAIRequestIn(RequestIn, gc=False):
    functions: list[FunctionIn] | None = None
    function_call: str | NamedIn | None = None
    max_completion_tokens: int | None = None
    min_p: float | None = None
    seed: int | None = None
    verbosity: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    stream_options: StreamOptionsIn | None = None
    thinking: ThinkingIn | None = None
    reasoning: ReasoningIn | None = None


class MistralRequestIn(RequestIn, gc=False):
    random_seed: int | None = None
    prompt_mode: str | None = None
    safe_prompt: bool | None = None


def present(raw: Raw) -> Raw | None:
    """Return a raw member, None when it was not there or is null."""
    return raw if has_value(raw) else None
