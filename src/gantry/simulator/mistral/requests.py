"""The closed schemas of Mistral's text operations: a field that is not here is refused, at any depth."""

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

Temperature = Annotated[float, Meta(ge=0, le=1.5)]
Probability = Annotated[float, Meta(ge=0, le=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Count = Annotated[int, Meta(ge=0)]
AtLeastOne = Annotated[int, Meta(ge=1)]


class Closed(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Chunk(Closed, frozen=True, tag_field="type"):
    pass


class TextChunk(Chunk, frozen=True, tag="text"):
    text: str


class ImageLink(Closed, frozen=True):
    url: str
    detail: str | None = None


class ImageChunk(Chunk, frozen=True, tag="image_url"):
    image_url: str | ImageLink


class DocumentChunk(Chunk, frozen=True, tag="document_url"):
    document_url: str
    document_name: str | None = None


class ReferenceChunk(Chunk, frozen=True, tag="reference"):
    reference_ids: list[int | str]


class FileChunk(Chunk, frozen=True, tag="file"):
    file_id: str


class ThinkingChunk(Chunk, frozen=True, tag="thinking"):
    thinking: list[dict[str, Any]]
    signature: str | None = None
    closed: bool = True


class AudioChunk(Chunk, frozen=True, tag="input_audio"):
    input_audio: str


class ResourceChunk(Chunk, frozen=True, tag="resource"):
    uri: str
    content: Any = None


class ResourceLinkChunk(Chunk, frozen=True, tag="resource_link"):
    uri: str


AnyChunk: TypeAlias = (
    TextChunk
    | ImageChunk
    | DocumentChunk
    | ReferenceChunk
    | FileChunk
    | ThinkingChunk
    | AudioChunk
    | ResourceChunk
    | ResourceLinkChunk
)
Content: TypeAlias = str | list[AnyChunk] | None


class CalledFunction(Closed, frozen=True):
    name: str
    arguments: str | dict[str, Any]


class ToolCall(Closed, frozen=True):
    function: CalledFunction
    id: str = "null"
    type: str = "function"
    index: int = 0


class Message(Closed, frozen=True, tag_field="role"):
    pass


class SystemMessage(Message, frozen=True, tag="system"):
    content: str | list[TextChunk | ThinkingChunk]


class UserMessage(Message, frozen=True, tag="user"):
    content: Content


class AssistantMessage(Message, frozen=True, tag="assistant"):
    content: Content = None
    tool_calls: list[ToolCall] | None = None
    prefix: bool = False


class ToolMessage(Message, frozen=True, tag="tool"):
    content: Content
    tool_call_id: str | None = None
    name: str | None = None


AnyMessage: TypeAlias = SystemMessage | UserMessage | AssistantMessage | ToolMessage


class Function(Closed, frozen=True):
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    parameters: dict[str, Any]
    description: str = ""
    strict: bool = False


class BuiltInTool(Struct, frozen=True, tag_field="type"):
    """A tool that Mistral runs itself; its settings are not checked."""


class FunctionTool(Closed, frozen=True, tag="function", tag_field="type"):
    function: Function


class WebSearchTool(BuiltInTool, frozen=True, tag="web_search"):
    pass


class PremiumWebSearchTool(BuiltInTool, frozen=True, tag="web_search_premium"):
    pass


class CodeTool(BuiltInTool, frozen=True, tag="code_interpreter"):
    pass


class ImageTool(BuiltInTool, frozen=True, tag="image_generation"):
    pass


class LibraryTool(BuiltInTool, frozen=True, tag="document_library"):
    library_ids: list[str]


class ConnectorTool(BuiltInTool, frozen=True, tag="connector"):
    connector_id: str


AnyTool: TypeAlias = (
    FunctionTool | WebSearchTool | PremiumWebSearchTool | CodeTool | ImageTool | LibraryTool | ConnectorTool
)


class NamedFunction(Closed, frozen=True):
    name: str


class NamedTool(Closed, frozen=True):
    function: NamedFunction
    type: str = "function"


class JsonSchema(Closed, frozen=True):
    name: str
    schema: dict[str, Any]
    description: str | None = None
    strict: bool = False


class ResponseFormat(Closed, frozen=True):
    type: Annotated[str, Meta(pattern="^(text|json_object|json_schema)$")] = "text"
    json_schema: JsonSchema | None = None


class Prediction(Closed, frozen=True):
    type: str = "content"
    content: str = ""


class Moderation(Closed, frozen=True):
    model_name: str = "mistral-moderation-2603"
    custom_category_thresholds: dict[str, float] | None = None
    ignore_other_categories: bool = False
    action: Literal["none", "block"] | None = None


class Guardrail(Closed, frozen=True):
    block_on_error: bool = False
    moderation_llm_v1: Moderation | None = None
    moderation_llm_v2: Moderation | None = None


class TextRequest(Closed, frozen=True, kw_only=True):
    """What chat, agents and FIM have in common."""

    max_tokens: Count | None = None
    min_tokens: Count | None = None
    stream: bool = False
    stop: str | list[str] | None = None
    random_seed: Count | None = None
    metadata: Any = None
    prompt_cache_key: str | None = None


class DialogueRequest(TextRequest, frozen=True, kw_only=True):
    """What chat and agents have in common."""

    messages: Annotated[list[AnyMessage], Meta(min_length=1)]
    response_format: ResponseFormat | None = None
    tools: list[AnyTool] | None = None
    tool_choice: Literal["auto", "none", "any", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = True
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    n: AtLeastOne | None = None
    prediction: Prediction | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    prompt_mode: Literal["reasoning"] | None = None
    guardrails: list[Guardrail] | None = None
    service_tier: Literal["auto", "standard_only"] | None = None


class ChatRequest(DialogueRequest, frozen=True, kw_only=True):
    model: str
    temperature: Temperature | None = None
    top_p: Probability | None = None
    safe_prompt: bool | None = False
    repetition_penalty: float | None = None
    top_k: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    prompt_logprobs: bool | None = None
    top_prompt_logprobs: int | None = None


class AgentRequest(DialogueRequest, frozen=True, kw_only=True):
    agent_id: str


class FimRequest(TextRequest, frozen=True, kw_only=True):
    model: str
    prompt: str
    suffix: str | None = None
    temperature: Temperature | None = None
    top_p: Probability | None = None


class ClassifierRequest(Closed, frozen=True, kw_only=True):
    """Texts to judge."""

    model: str
    input: str | list[str]
    metadata: Any = None


class ChatModerationRequest(Closed, frozen=True, kw_only=True):
    model: str
    input: list[AnyMessage | list[AnyMessage]]


class Dialogue(Closed, frozen=True):
    messages: Annotated[list[AnyMessage], Meta(min_length=1)]


class ChatClassificationRequest(Closed, frozen=True, kw_only=True):
    model: str
    input: Dialogue | list[Dialogue]


class EmbeddingRequest(Closed, frozen=True, kw_only=True):
    model: str
    input: str | list[str]
    metadata: Any = None
    output_dimension: AtLeastOne | None = None
    output_dtype: Annotated[str, Meta(pattern="^(float|int8|uint8|binary|ubinary)$")] | None = None
    encoding_format: Annotated[str, Meta(pattern="^(float|base64)$")] | None = None
