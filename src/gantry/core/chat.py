"""The canonical chat: what a request asks and an answer says, in no provider's words.

Law: it is the hub of the translate tier, and nothing else passes through it: a call between two sides of one dialect is
relayed. A value here holds what at least two dialects can say. What only one can say is kept as its own bytes, tagged
with that dialect (`NativePart`, `NativeTool`, `extra`), so that going back to it loses nothing and any other encoder
must decide: refuse what the caller would miss, or drop a tuning knob and say so.

A conversation is system, user, assistant and tool turns in order, each a list of parts. A tool turn holds results only.
JSON of the caller's (a schema, arguments) stays as the bytes it came as.
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Raw, Struct, field

from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import Dialect


class Role(StrEnum):
    SYSTEM = "system"  # OpenAI's `developer` too
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class MediaKind(StrEnum):
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    DOCUMENT = "document"


class CacheMark(Struct, frozen=True):
    """The caller's wish that the prompt up to here be cached; `ttl` as `5m` or `1h`, None for the provider's own."""

    ttl: str | None = None


class Citation(Struct, frozen=True):
    """A source of what was said. `start` and `end` count characters of the part's text."""

    url: str | None = None
    title: str | None = None
    quote: str | None = None
    start: int | None = None
    end: int | None = None
    dialect: Dialect | None = None  # of `raw`
    raw: Raw | None = None  # as its dialect wrote it


class Text(Struct, frozen=True, tag=True):
    text: str
    citations: tuple[Citation, ...] = ()
    cache: CacheMark | None = None


class Media(Struct, frozen=True, tag=True):
    """Content that is not text: one of `data` (base64), `url` and `file_id` (of the provider's account) says where.

    `mime` is None where the dialect does not name it; OpenAI's audio formats are given as `audio/wav`, `audio/mpeg`.
    """

    kind: MediaKind
    mime: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    name: str | None = None
    detail: str | None = None  # OpenAI's resolution: low, high, auto
    context: str | None = None  # what a document is about, told to the model only
    cited: bool = False  # the answer is to cite this document
    cache: CacheMark | None = None


class Thinking(Struct, frozen=True, tag=True):
    """Reasoning. Its signature, or the sealed text in its place, means something only to the dialect that made it."""

    text: str = ""
    signature: str | None = None
    sealed: str | None = None  # Anthropic's redacted thinking, OpenAI's encrypted reasoning
    dialect: Dialect | None = None  # of signature and sealed
    id: str | None = None  # of OpenAI's reasoning item


class Refusal(Struct, frozen=True, tag=True):
    text: str


class ToolCall(Struct, frozen=True, tag=True):
    """The model's wish to call a tool. `arguments` is JSON text as it was written, "" where there are none."""

    id: str
    name: str
    arguments: str
    custom: bool = False  # OpenAI's custom tools take free text
    signature: str | None = None  # Gemini signs the call itself
    cache: CacheMark | None = None


class ToolResult(Struct, frozen=True, tag=True):
    call_id: str
    parts: "tuple[Text | Media | NativePart, ...]"
    name: str | None = None  # of the tool; an encoder that needs it looks the call up
    is_error: bool = False
    cache: CacheMark | None = None


class NativePart(Struct, frozen=True, tag=True):
    """A part that only its dialect can say: a search by the provider itself, and its results."""

    dialect: Dialect
    raw: Raw


Part = Text | Media | Thinking | Refusal | ToolCall | ToolResult | NativePart


class Message(Struct, frozen=True):
    role: Role
    parts: tuple[Part, ...]
    name: str | None = None  # of the speaker
    prefix: bool = False  # Mistral's: the answer goes on from here


class FunctionTool(Struct, frozen=True, tag=True):
    """`schema` is a JSON schema object; None where the tool takes nothing or its dialect left it out."""

    name: str
    description: str | None = None
    schema: Raw | None = None
    strict: bool | None = None
    cache: CacheMark | None = None


class NativeTool(Struct, frozen=True, tag=True):
    """A tool that the provider runs itself, or that only its dialect has. `kind` names it to the caller."""

    dialect: Dialect
    kind: str
    raw: Raw


Tool = FunctionTool | NativeTool


class ToolMode(StrEnum):
    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


class ToolChoice(Struct, frozen=True):
    """`names` not empty: one of these only; with REQUIRED and one name, exactly that."""

    mode: ToolMode
    names: tuple[str, ...] = ()


class FormatKind(StrEnum):
    TEXT = "text"
    JSON = "json"
    JSON_SCHEMA = "json_schema"


class AnswerFormat(Struct, frozen=True):
    """How the answer is to be written. `schema` only with JSON_SCHEMA."""

    kind: FormatKind
    schema: Raw | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class Effort(StrEnum):
    """How hard to think, over all providers' words for it."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


class Reasoning(Struct, frozen=True):
    """The wish to think: by effort, by a budget in tokens, or both. `shown`: the caller wants to read it."""

    effort: Effort | None = None
    budget: int | None = None
    shown: bool | None = None
    summary: str | None = None  # OpenAI Responses: auto, concise, detailed


class ChatRequest(Struct, frozen=True, kw_only=True):
    """One request. None, empty and `TEXT` mean: not asked for.

    `extra` holds what only the request's own dialect knows, by the caller's name for it; an encoder of another dialect
    names each as dropped, or refuses it.
    """

    dialect: Dialect  # the request was written in
    model: str
    messages: tuple[Message, ...]
    stream: bool = False
    include_usage: bool = True  # in a stream; OpenAI's callers ask for it
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    format: AnswerFormat | None = None
    reasoning: Reasoning | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    choices: int = 1
    logprobs: bool = False
    top_logprobs: int | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    user: str | None = None
    cache_key: str | None = None
    cache: CacheMark | None = None  # for the whole request (Anthropic's top-level cache_control)
    metadata: Raw | None = None
    extra: Mapping[str, Raw] = field(default_factory=dict)


class FinishReason(StrEnum):
    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"  # the answer's own bound
    CONTEXT = "context"  # the model's window
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    PAUSE = "pause"  # the provider wants to be called again with what it said so far
    ERROR = "error"
    OTHER = "other"


class Finish(Struct, frozen=True):
    """Why an answer ended: in our words, and in the provider's (`raw`)."""

    reason: FinishReason
    raw: str | None = None
    sequence: str | None = None  # the stop sequence that was met


class Choice(Struct, frozen=True):
    index: int
    parts: tuple[Part, ...]
    finish: Finish | None = None  # None: the answer broke off
    logprobs: Raw | None = None  # in OpenAI's shape


class ChatAnswer(Struct, frozen=True, kw_only=True):
    """One answer. `created` is in seconds since the epoch, None where the provider does not say."""

    dialect: Dialect  # the answer was written in
    id: str | None = None
    model: str | None = None
    created: int | None = None
    choices: tuple[Choice, ...] = ()
    usage: Usage = NO_USAGE
    service_tier: str | None = None


class ProviderError(Struct, frozen=True):
    """A provider's refusal, out of its own envelope. `status` is the answer's; inside a stream, the nearest one."""

    status: int
    message: str
    type: str | None = None  # as the provider wrote it
    code: str | None = None
    param: str | None = None
