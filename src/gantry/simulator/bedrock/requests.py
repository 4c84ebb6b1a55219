"""What a Converse request may hold. Fields the service does not know are ignored, as its framework does."""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from gantry.simulator.bedrock.errors import constraint, invalid
from gantry.simulator.misfit import Fault, Place, misfit, value_at
from gantry.simulator.routes import Refusal

Share = Annotated[float, Meta(ge=0, le=1)]


class Loose(Struct, frozen=True, rename="camel"):
    """An object whose unknown fields do not matter."""


class ToolUse(Loose, frozen=True):
    tool_use_id: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]+$")]
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]+$")]
    input: Any


class Result(Loose, frozen=True):
    """A part of what a tool answered."""

    text: str | None = None
    json: Any = None
    image: dict[str, Any] | None = None
    document: dict[str, Any] | None = None
    video: dict[str, Any] | None = None


class ToolResult(Loose, frozen=True):
    tool_use_id: str
    content: list[Result]
    status: str | None = None


class ReasoningText(Loose, frozen=True):
    text: str
    signature: str = ""


class Reasoning(Loose, frozen=True):
    reasoning_text: ReasoningText | None = None
    redacted_content: str | None = None


class Block(Loose, frozen=True):
    """One of these, or something the simulator looks at no further."""

    text: str | None = None
    tool_use: ToolUse | None = None
    tool_result: ToolResult | None = None
    reasoning_content: Reasoning | None = None
    cache_point: dict[str, Any] | None = None
    image: dict[str, Any] | None = None
    document: dict[str, Any] | None = None
    video: dict[str, Any] | None = None
    guard_content: dict[str, Any] | None = None


class Message(Loose, frozen=True):
    role: str
    content: list[Block]


class InputSchema(Loose, frozen=True):
    json: dict[str, Any]


class ToolSpec(Loose, frozen=True):
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]+$", max_length=64)]
    input_schema: InputSchema
    description: str | None = None


class Tool(Loose, frozen=True):
    tool_spec: ToolSpec | None = None
    cache_point: dict[str, Any] | None = None
    system_tool: dict[str, Any] | None = None


class NamedTool(Loose, frozen=True):
    name: str


class ToolChoice(Loose, frozen=True):
    auto: dict[str, Any] | None = None
    any: dict[str, Any] | None = None
    tool: NamedTool | None = None


class ToolConfig(Loose, frozen=True):
    tools: Annotated[list[Tool], Meta(min_length=1)]
    tool_choice: ToolChoice = ToolChoice()


class InferenceConfig(Loose, frozen=True):
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Share | None = None
    top_p: Share | None = None
    stop_sequences: list[str] | None = None


class JsonSchema(Loose, frozen=True):
    """The schema is JSON in a string."""

    schema: str


class Structure(Loose, frozen=True):
    json_schema: JsonSchema


class TextFormat(Loose, frozen=True):
    type: Literal["json_schema"]
    structure: Structure


class OutputConfig(Loose, frozen=True):
    text_format: TextFormat | None = None


class ConverseRequest(Loose, frozen=True):
    messages: list[Message]
    system: list[Block] = []
    inference_config: InferenceConfig = InferenceConfig()
    tool_config: ToolConfig | None = None
    additional_model_request_fields: dict[str, Any] = {}
    output_config: OutputConfig = OutputConfig()

    @property
    def tools(self) -> list[ToolSpec]:
        return [tool.tool_spec for tool in self.tool_config.tools if tool.tool_spec] if self.tool_config else []

    @property
    def thinks(self) -> bool:
        thinking = self.additional_model_request_fields.get("thinking")
        return isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive")

    @property
    def choice(self) -> ToolChoice:
        return self.tool_config.tool_choice if self.tool_config else ToolChoice()


class Countable(Loose, frozen=True):
    """The simulator counts what is for Converse, not what is for a model's own format."""

    converse: ConverseRequest


class CountRequest(Loose, frozen=True):
    input: Countable


_Body = TypeVar("_Body")
_CONVERSE = msgspec.json.Decoder(ConverseRequest)
_COUNT = msgspec.json.Decoder(CountRequest)


def read(body: bytes) -> ConverseRequest:
    """Raises Refusal with a 400 that names the member."""
    return _read(_CONVERSE, body)


def read_count(body: bytes) -> ConverseRequest:
    """Raises Refusal with a 400 that names the member."""
    return _read(_COUNT, body).input.converse


def _read(decoder: "msgspec.json.Decoder[_Body]", body: bytes) -> _Body:
    try:
        return decoder.decode(body or b"{}")
    except msgspec.ValidationError as failure:
        raise _refusal(msgspec.json.decode(body or b"{}"), failure) from None
    except msgspec.MsgspecError as failure:
        raise invalid(f"The request body is not valid JSON: {failure}") from None


def _refusal(given: Any, failure: msgspec.ValidationError) -> Refusal:
    found = misfit(failure)
    place = _member(found.where)
    if found.fault is Fault.MISSING_FIELD:
        text = f"Value null at '{place}' failed to satisfy constraint: Member must not be null"
        return invalid(f"1 validation error detected: {text}")
    value = value_at(given, found.where)
    for mark, rule in ((" >= ", "have value greater than or equal to"), (" <= ", "have value less than or equal to")):
        if mark in found.text and "length" not in found.text:
            return constraint(
                value, place, f"{rule} {found.text.partition(mark)[2].partition(',')[0].removesuffix('.0')}"
            )
    if "matching regex" in found.text:
        return constraint(value, place, "satisfy regular expression pattern: [a-zA-Z0-9_-]+")
    return constraint(value, place, f"be valid: {found.text}")


def _member(where: Place) -> str:
    """Write a place as the service does: indices count from 1 and stand before `member`."""
    return ".".join(f"{step + 1}.member" if isinstance(step, int) else str(step) for step in where)
