"""What a Converse request may hold. Fields the service does not know are ignored, as its framework does."""

from typing import Annotated, Any

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


class ToolResult(Loose, frozen=True):
    tool_use_id: str
    content: list[dict[str, Any]]
    status: str | None = None


class Block(Loose, frozen=True):
    """One of these, or something the simulator looks at no further."""

    text: str | None = None
    tool_use: ToolUse | None = None
    tool_result: ToolResult | None = None
    reasoning_content: dict[str, Any] | None = None
    cache_point: dict[str, Any] | None = None
    image: dict[str, Any] | None = None
    document: dict[str, Any] | None = None
    video: dict[str, Any] | None = None
    guard_content: dict[str, Any] | None = None


class Message(Loose, frozen=True):
    role: str
    content: list[Block]


class ToolSpec(Loose, frozen=True):
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]+$", max_length=64)]
    input_schema: dict[str, Any]
    description: str | None = None


class Tool(Loose, frozen=True):
    tool_spec: ToolSpec | None = None
    cache_point: dict[str, Any] | None = None
    system_tool: dict[str, Any] | None = None


class ToolConfig(Loose, frozen=True):
    tools: Annotated[list[Tool], Meta(min_length=1)]
    tool_choice: dict[str, Any] | None = None


class InferenceConfig(Loose, frozen=True):
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Share | None = None
    top_p: Share | None = None
    stop_sequences: list[str] | None = None


class ConverseRequest(Loose, frozen=True):
    messages: list[Message]
    system: list[Block] = []
    inference_config: InferenceConfig = InferenceConfig()
    tool_config: ToolConfig | None = None
    additional_model_request_fields: dict[str, Any] = {}
    output_config: dict[str, Any] | None = None

    @property
    def tools(self) -> list[ToolSpec]:
        return [tool.tool_spec for tool in self.tool_config.tools if tool.tool_spec] if self.tool_config else []

    @property
    def thinks(self) -> bool:
        thinking = self.additional_model_request_fields.get("thinking") or {}
        return thinking.get("type") in ("enabled", "adaptive")


_DECODER = msgspec.json.Decoder(ConverseRequest)


def read(body: bytes) -> ConverseRequest:
    """Raises Refusal with a 400 that names the member."""
    try:
        return _DECODER.decode(body or b"{}")
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
