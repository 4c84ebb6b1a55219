"""What requests to Cohere may hold, and their refusals: an unknown field is a 422, anything else a 400."""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from gantry.simulator.cohere.errors import error, invalid
from gantry.simulator.misfit import Fault, misfit
from gantry.simulator.routes import Refusal

_Body = TypeVar("_Body")
Share = Annotated[float, Meta(ge=0, le=1)]
Natural = Annotated[int, Meta(ge=0)]


class Closed(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An object that takes no unknown field."""


class Function(Closed, frozen=True, kw_only=True):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(Closed, frozen=True, kw_only=True):
    type: Literal["function"]
    function: Function


class CalledFunction(Closed, frozen=True, kw_only=True):
    name: str
    arguments: str


class ToolCall(Closed, frozen=True, kw_only=True):
    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class Message(Closed, frozen=True, kw_only=True):
    role: Literal["user", "assistant", "system", "tool"]
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_plan: str | None = None
    tool_call_id: str | None = None
    citations: Any = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(_text(part) for part in self.content)
        return self.content or ""


class ResponseFormat(Closed, frozen=True, kw_only=True):
    type: Literal["text", "json_object"]
    json_schema: dict[str, Any] | None = None
    schema: dict[str, Any] | None = None


class Thinking(Closed, frozen=True, kw_only=True):
    type: Literal["enabled", "disabled"]
    token_budget: int | None = None


class ChatRequest(Closed, frozen=True, kw_only=True):
    model: str
    messages: list[Message]
    stream: bool = False
    citation_options: dict[str, Any] | None = None
    documents: list[str | dict[str, Any]] | None = None
    frequency_penalty: Share | None = None
    k: Annotated[int, Meta(ge=0, le=500)] | None = None
    logprobs: bool | None = None
    max_tokens: Natural | None = None
    p: Annotated[float, Meta(ge=0.01, le=0.99)] | None = None
    presence_penalty: Share | None = None
    priority: int | None = None
    raw_prompting: bool | None = None
    reasoning_effort: str | None = None
    response_format: ResponseFormat | None = None
    safety_mode: Literal["CONTEXTUAL", "STRICT", "OFF", "NONE"] | None = None
    seed: int | None = None
    stop_sequences: Annotated[list[str], Meta(max_length=5)] | None = None
    strict_tools: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    thinking: Thinking | None = None
    tool_choice: Literal["REQUIRED", "NONE"] | None = None
    tools: list[Tool] | None = None


class EmbedRequest(Closed, frozen=True, kw_only=True):
    model: str
    input_type: Literal["search_document", "search_query", "classification", "clustering", "image"]
    texts: Annotated[list[str], Meta(max_length=96)] | None = None
    images: Annotated[list[str], Meta(max_length=1)] | None = None
    inputs: Annotated[list[dict[str, Any]], Meta(max_length=96)] | None = None
    embedding_types: list[Literal["float", "int8", "uint8", "binary", "ubinary", "base64"]] | None = None
    max_tokens: int | None = None
    output_dimension: Literal[256, 512, 1024, 1536] | None = None
    priority: int | None = None
    truncate: Literal["NONE", "START", "END"] = "END"


class RerankRequest(Closed, frozen=True, kw_only=True):
    model: str
    query: str
    documents: list[str]
    max_tokens_per_doc: int | None = None
    priority: int | None = None
    top_n: Annotated[int, Meta(ge=1)] | None = None


CHAT = msgspec.json.Decoder(ChatRequest)
EMBED = msgspec.json.Decoder(EmbedRequest)
RERANK = msgspec.json.Decoder(RerankRequest)


def decode(decoder: "msgspec.json.Decoder[_Body]", body: bytes) -> _Body:
    try:
        return decoder.decode(body or b"{}")
    except msgspec.ValidationError as failure:
        found = misfit(failure)
        place = ".".join(map(str, found.where))
        match found.fault:
            case Fault.UNKNOWN_FIELD:
                text = f"unknown field: parameter '{place}' is not a valid field"
                raise Refusal(error(422, text)) from None
            case Fault.MISSING_FIELD:
                raise invalid(f"{place} is required") from None
            case Fault.UNKNOWN_TAG | Fault.WRONG_VALUE:
                raise invalid(f"invalid value for {place}: {found.text[0].lower()}{found.text[1:]}") from None
    except msgspec.MsgspecError as failure:
        raise invalid(f"the body is not valid JSON: {failure}") from None


def check_dialogue(request: ChatRequest) -> None:
    """Each result belongs to a call of the turn before, and each call has a result."""
    if not request.messages:
        raise invalid("messages must not be empty")
    called: set[str] = set()
    for index, message in enumerate(request.messages):
        place = f"message at index {index}"
        if message.role == "tool":
            if message.tool_call_id not in called:
                raise invalid(f"tool call id not found in previous tool calls: {message.tool_call_id} ({place})")
            called.discard(message.tool_call_id)
            continue
        if called:
            break
        if message.role != "assistant" and not message.text and not isinstance(message.content, list):
            raise invalid(f"all elements in messages must have content ({place})")
        called = {call.id for call in message.tool_calls or ()}
    if called:
        raise invalid(f"missing tool results for tool calls: {', '.join(sorted(called))}")
    if request.messages[-1].role not in ("user", "tool"):
        raise invalid("the last message must be from the user or a tool")
    if request.tool_choice is not None and not request.tools:
        raise invalid("tool_choice may only be given with tools")
    form = request.response_format
    if form is not None and form.type == "json_object" and (request.tools or request.documents):
        raise invalid("response_format json_object may not be given with tools or documents")


def _text(part: dict[str, Any]) -> str:
    if part.get("type") == "document":
        return str((part.get("document") or {}).get("data", ""))
    return str(part.get("text") or "")
