"""A Converse request as the canonical chat.

Law: a user's message may hold results of tools beside other content; here the results become a turn of tools.
`additionalModelRequestFields` are the model's own parameters: they stay whole in `extra`, because how to write them
anew depends on the model, which a decoder does not know; what they ask of thinking is read as well, for other dialects.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct, structs

from gantry.core.chat import (
    AnswerFormat,
    CacheMark,
    ChatRequest,
    FormatKind,
    FunctionTool,
    Message,
    NativeTool,
    Part,
    Reasoning,
    Role,
    Tool,
    ToolChoice,
    ToolMode,
    ToolResult,
)
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.bedrock.blocks import read_blocks
from gantry.dialects.bedrock.shapes import CachePoint, MessageShape
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.effort import effort_of_word
from gantry.dialects.members import UNREADABLE, Members, decode_members, has, read_schema
from gantry.dialects.read_exactly import read_exactly


class _Inference(Struct, rename="camel"):
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: list[str] | None = None


class _Schema(Struct):
    json: Raw


class _ToolSpec(Struct, rename="camel"):
    name: str
    description: str | None = None
    input_schema: _Schema | None = None
    strict: bool | None = None


class _ToolShape(Struct, rename="camel"):
    tool_spec: _ToolSpec | None = None
    cache_point: CachePoint | None = None


class _Named(Struct):
    name: str


class _Choice(Struct):
    auto: Raw = ABSENT
    any: Raw = ABSENT
    tool: _Named | None = None


class _ToolConfig(Struct, rename="camel"):
    tools: list[Raw] = []
    tool_choice: _Choice | None = None


class _JsonSchema(Struct):
    schema: str
    name: str | None = None
    description: str | None = None


class _Structure(Struct, rename="camel"):
    json_schema: _JsonSchema | None = None


class _TextFormat(Struct):
    type: str | None = None
    structure: _Structure | None = None


class _OutputConfig(Struct, rename="camel"):
    text_format: _TextFormat | None = None
    effort: str | None = None


class _Tier(Struct):
    type: str


class _Request(Struct, rename="camel"):
    messages: list[MessageShape] = []
    system: list[Raw] = []
    inference_config: _Inference | None = None
    tool_config: _ToolConfig | None = None
    output_config: _OutputConfig | None = None
    service_tier: _Tier | None = None
    request_metadata: dict[str, str] | None = None


class _Thinking(Struct):
    type: str | None = None
    budget_tokens: int | None = None


class _Effort(Struct):
    effort: str | None = None


class _NovaReasoning(Struct, rename="camel"):
    type: str | None = None
    max_reasoning_effort: str | None = None


class _ModelFields(Struct):
    """What makers call their wish to think, and top-k."""

    thinking: _Thinking | None = None
    reasoning_config: _Thinking | None = None
    reasoning_effort: str | None = None
    output_config: _Effort | None = None
    nova: _NovaReasoning | None = msgspec.field(name="reasoningConfig", default=None)
    top_k: int | None = None


_decode: Final = msgspec.json.Decoder(_Request).decode
_decode_tool: Final = msgspec.json.Decoder(_ToolShape).decode
_decode_fields: Final = msgspec.json.Decoder(_ModelFields).decode
_READ: Final = frozenset(_Request.__struct_encode_fields__)
_READ_INSIDE: Final = {
    "inferenceConfig": frozenset(_Inference.__struct_encode_fields__),
    "outputConfig": frozenset(("textFormat",)),  # `effort` is read, and kept for going back
}
_MODEL_FIELDS: Final = "additionalModelRequestFields"
_DISABLED: Final = "disabled"


def decode_request(body: bytes) -> ChatRequest:
    """Return what a Converse request asks, without the model and the delivery. Raises InvalidRequest."""
    shape = read_exactly(_decode, body)
    extra = _extra(read_exactly(decode_members, body))
    inference = shape.inference_config or _Inference()
    config = shape.tool_config or _ToolConfig()
    fields = _model_fields(extra.get(_MODEL_FIELDS))
    return ChatRequest(
        dialect=Dialect.BEDROCK,
        model="",
        messages=tuple(_messages(shape)),
        tools=_tools(config.tools),
        tool_choice=_tool_choice(config.tool_choice),
        format=_format(shape.output_config),
        reasoning=_reasoning(fields, shape.output_config),
        max_tokens=inference.max_tokens,
        temperature=inference.temperature,
        top_p=inference.top_p,
        top_k=fields.top_k,
        stop=tuple(inference.stop_sequences or ()),
        service_tier=None if shape.service_tier is None else shape.service_tier.type,
        metadata=None if shape.request_metadata is None else Raw(msgspec.json.encode(shape.request_metadata)),
        extra=extra,
    )


def _extra(members: Members) -> dict[str, Raw]:
    """Return what is not understood: whole fields, and what is left of fields that are understood in part."""
    extra = {name: raw for name, raw in members.items() if name not in _READ}
    for name, read in _READ_INSIDE.items():
        inner = decode_members(members[name]) if has(members, name) else {}
        rest = {key: raw for key, raw in inner.items() if key not in read}
        if rest:
            extra[name] = Raw(msgspec.json.encode(rest))
    return extra


def _messages(shape: _Request) -> Iterator[Message]:
    system = read_blocks(shape.system, "system")
    if system:
        yield Message(Role.SYSTEM, tuple(system))
    for number, message in enumerate(shape.messages):
        parts = read_blocks(message.content, f"messages[{number}].content")
        match message.role:
            case "user":
                yield from _user_turns(parts)
            case "assistant":
                yield Message(Role.ASSISTANT, tuple(parts))
            case "system":
                yield Message(Role.SYSTEM, tuple(parts))
            case _:
                field = f"messages[{number}].role"
                raise InvalidRequest(f"`{field}` must be `user`, `assistant` or `system`", param=field)


def _user_turns(parts: Iterable[Part]) -> Iterator[Message]:
    for results, group in groupby(parts, lambda part: isinstance(part, ToolResult)):
        yield Message(Role.TOOL if results else Role.USER, tuple(group))


def _tools(raws: list[Raw]) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for number, raw in enumerate(raws):
        path = f"toolConfig.tools[{number}]"
        shape = read_exactly(_decode_tool, raw, path)
        last = tools[-1] if tools else None
        if shape.tool_spec is not None:
            spec = shape.tool_spec
            where = f"{path}.toolSpec.inputSchema.json"
            schema = None if spec.input_schema is None else read_schema(spec.input_schema.json, where)
            tools.append(FunctionTool(spec.name, spec.description, schema, spec.strict))
        elif shape.cache_point is not None and isinstance(last, FunctionTool) and last.cache is None:
            tools[-1] = structs.replace(last, cache=CacheMark(shape.cache_point.ttl))
        else:
            tools.append(NativeTool(Dialect.BEDROCK, _kind(raw), raw))
    return tuple(tools)


def _kind(raw: Raw) -> str:
    return next(iter(decode_members(raw)), "tool")


def _tool_choice(choice: _Choice | None) -> ToolChoice | None:
    if choice is None:
        return None
    if choice.tool is not None:
        return ToolChoice(ToolMode.REQUIRED, (choice.tool.name,))
    return ToolChoice(ToolMode.REQUIRED if has_value(choice.any) else ToolMode.AUTO)


def _format(config: _OutputConfig | None) -> AnswerFormat | None:
    text = None if config is None else config.text_format
    schema = None if text is None or text.structure is None else text.structure.json_schema
    if schema is None:
        return None
    field = "outputConfig.textFormat.structure.jsonSchema.schema"
    read_exactly(decode_members, schema.schema.encode(), field)
    return AnswerFormat(FormatKind.JSON_SCHEMA, Raw(schema.schema.encode()), schema.name, schema.description)


def _model_fields(raw: Raw | None) -> _ModelFields:
    """Return what is understood of the model's own parameters; nothing when the model means something else by them."""
    try:
        return _ModelFields() if raw is None else _decode_fields(raw)
    except UNREADABLE:
        return _ModelFields()


def _reasoning(fields: _ModelFields, output: _OutputConfig | None) -> Reasoning | None:
    thinking = fields.thinking or fields.reasoning_config
    if thinking is not None and thinking.type == _DISABLED:
        return Reasoning(effort_of_word("none"))
    word: Any = fields.reasoning_effort
    if output is not None and output.effort:
        word = output.effort
    if fields.output_config is not None and fields.output_config.effort:
        word = fields.output_config.effort
    if fields.nova is not None:
        word = "none" if fields.nova.type == _DISABLED else fields.nova.max_reasoning_effort
    effort = None if word is None else effort_of_word(word)
    budget = None if thinking is None else thinking.budget_tokens
    if thinking is None and effort is None and fields.nova is None:
        return None
    return Reasoning(effort, budget)
