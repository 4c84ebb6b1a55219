"""What a request for a message may hold, and how the parts of its top level must agree."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from gantry.simulator.anthropic.blocks import AnyBlock, CacheControl, Closed, TextBlock
from gantry.simulator.anthropic.catalog import Model
from gantry.simulator.anthropic.errors import invalid, misplaced
from gantry.simulator.anthropic.versions import Version
from gantry.simulator.exchange import Request

Effort = Literal["low", "medium", "high", "xhigh", "max"]
Share = Annotated[float, Meta(ge=0, le=1)]
_LEAST_BUDGET = 1024
_BETA = {"output_format": "structured-outputs", "context_management": "context-management", "mcp_servers": "mcp-client"}
_UNSUPPORTED = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength")


class Message(Closed, frozen=True):
    role: str
    content: str | list[AnyBlock]

    @property
    def blocks(self) -> list[AnyBlock]:
        return [TextBlock(text=self.content)] if isinstance(self.content, str) else self.content


class Tool(Closed, frozen=True):
    """A client's tool, or one of Anthropic's own if it has another type."""

    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,128}$")]
    type: str = "custom"
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    input_examples: list[dict[str, Any]] | None = None
    cache_control: CacheControl | None = None
    strict: bool | None = None
    defer_loading: bool | None = None
    eager_input_streaming: bool | None = None
    allowed_callers: list[str] | None = None
    max_uses: int | None = None
    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None
    user_location: dict[str, Any] | None = None
    citations: dict[str, Any] | None = None
    max_content_tokens: int | None = None
    max_characters: int | None = None
    display_width_px: int | None = None
    display_height_px: int | None = None
    display_number: int | None = None


class AutoChoice(Closed, frozen=True, tag="auto"):
    disable_parallel_tool_use: bool = False


class AnyChoice(Closed, frozen=True, tag="any"):
    disable_parallel_tool_use: bool = False


class ToolChoice(Closed, frozen=True, tag="tool"):
    name: str
    disable_parallel_tool_use: bool = False


class NoChoice(Closed, frozen=True, tag="none"):
    """No tool is called."""


Choice: TypeAlias = AutoChoice | AnyChoice | ToolChoice | NoChoice


class Enabled(Closed, frozen=True, tag="enabled"):
    budget_tokens: Annotated[int, Meta(ge=_LEAST_BUDGET)]
    display: Literal["summarized", "omitted"] | None = None


class Adaptive(Closed, frozen=True, tag="adaptive"):
    display: Literal["summarized", "omitted"] | None = None


class Disabled(Closed, frozen=True, tag="disabled"):
    """No thinking."""


Thinking: TypeAlias = Enabled | Adaptive | Disabled


class Format(Closed, frozen=True):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(Closed, frozen=True):
    effort: Effort | None = None
    format: Format | None = None


class Metadata(Closed, frozen=True):
    user_id: Annotated[str, Meta(max_length=256)] | None = None


class Countable(Closed, frozen=True):
    """What counts as input."""

    messages: list[Message]
    model: str
    system: str | list[TextBlock] | None = None
    tools: list[Tool] | None = None
    tool_choice: Choice | None = None
    thinking: Thinking | None = None
    cache_control: CacheControl | None = None
    output_config: OutputConfig | None = None
    output_format: Format | None = None
    context_management: dict[str, Any] | None = None
    mcp_servers: list[dict[str, Any]] | None = None

    @property
    def thinks(self) -> bool:
        return isinstance(self.thinking, Enabled | Adaptive)

    @property
    def format(self) -> Format | None:
        return self.output_format or (self.output_config.format if self.output_config else None)


class MessageRequest(Countable, frozen=True, kw_only=True):
    max_tokens: Annotated[int, Meta(ge=0)]
    container: Any = None
    diagnostics: dict[str, Any] | None = None
    inference_geo: str | None = None
    metadata: Metadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    speed: Literal["standard", "fast"] | None = None
    stop_sequences: list[str] | None = None
    stream: bool = False
    temperature: Share | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    top_p: Share | None = None
    user_profile_id: str | None = None
    workspace_id: str | None = None


def check_beta(request: Countable, received: Request) -> None:
    """Refuse fields of a beta the request does not name."""
    named = (received.header(b"anthropic-beta") or b"").decode("latin-1")
    for field, beta in _BETA.items():
        if getattr(request, field) is not None and beta not in named:
            raise misplaced((field,), "Extra inputs are not permitted")


def check_tools(request: Countable) -> None:
    tools = request.tools or []
    for index, tool in enumerate(tools):
        if tool.type != "custom":
            continue
        where = ("tools", index, "custom", "input_schema")
        if tool.input_schema is None:
            raise misplaced(where, "Field required")
        if tool.input_schema.get("type") != "object":
            known = "type" in tool.input_schema
            raise misplaced((*where, "type"), "Input should be 'object'" if known else "Field required")
        if tool.strict and (fault := next(_loose(tool.input_schema), None)):
            raise invalid(f"tools.{index}.custom: {fault}")
    names = [tool.name for tool in tools]
    if len(set(names)) < len(names):
        raise invalid("tools: Tool names must be unique.")
    choice = request.tool_choice
    if choice is not None and not tools:
        raise invalid("tool_choice: tool_choice may only be specified while providing tools.")
    if isinstance(choice, ToolChoice) and choice.name not in names:
        raise invalid(f"tool_choice: Tool '{choice.name}' not found in provided tools")
    form = request.format
    if form is not None and (fault := next(_loose(form.schema), None)):
        raise invalid(f"{'output_format' if request.output_format else 'output_config.format'}.schema: {fault}")


def check_thinking(request: Countable, model: Model) -> None:
    if isinstance(request.thinking, Enabled) and not model.budgeted:
        text = 'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
        raise invalid(f'"thinking.type.enabled" is not supported for this model. {text}')
    if isinstance(request.thinking, Adaptive) and not model.adaptive:
        raise invalid("adaptive thinking is not supported on this model")
    if request.thinks and isinstance(request.tool_choice, AnyChoice | ToolChoice):
        raise invalid("Thinking may not be enabled when tool_choice forces tool use.")


def check_sampling(request: MessageRequest, model: Model, version: Version) -> None:
    if request.max_tokens > model.max_tokens:
        text = f"which is the maximum allowed number of output tokens for {request.model}"
        raise invalid(f"max_tokens: {request.max_tokens} > {model.max_tokens}, {text}")
    if isinstance(request.thinking, Enabled) and request.thinking.budget_tokens >= request.max_tokens:
        raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")
    for name, usual in (("temperature", 1.0), ("top_p", None), ("top_k", None)):
        given = getattr(request, name)
        if given is not None and version is Version.NEWEST:
            raise misplaced((name,), "Extra inputs are not permitted")
        if given is None or given == usual:
            continue
        if not model.budgeted:
            raise invalid(f"`{name}` is deprecated for this model.")
        if request.thinks and not (name == "top_p" and given >= 0.95):
            rule = {"temperature": "may only be set to 1", "top_k": "must be unset"}.get(name, "must be 0.95 or more")
            raise invalid(f"`{name}` {rule} when thinking is enabled.")
    if model.one_of_two and request.temperature is not None and request.top_p is not None:
        raise invalid("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    if any(not stop.strip() for stop in request.stop_sequences or ()):
        raise invalid("stop_sequences: each stop sequence must contain non-whitespace")


def _loose(schema: Any) -> Iterator[str]:
    """Tell where a schema is not what constrained decoding takes."""
    if isinstance(schema, list):
        for item in schema:
            yield from _loose(item)
    if not isinstance(schema, Mapping):
        return
    kind = schema.get("type")
    if kind == "object" and schema.get("additionalProperties") is not False:
        yield "For 'object' type, 'additionalProperties' must be explicitly set to false"
    refused = [name for name in _UNSUPPORTED if name in schema]
    if refused:
        yield f"For '{kind}' type, properties {', '.join(refused)} are not supported"
    for name in ("properties", "$defs", "definitions"):
        inner = schema.get(name)
        yield from _loose(list(inner.values()) if isinstance(inner, Mapping) else None)
    for name in ("items", "anyOf", "allOf"):
        yield from _loose(schema.get(name))


MESSAGE = msgspec.json.Decoder(MessageRequest)
COUNT = msgspec.json.Decoder(Countable)
