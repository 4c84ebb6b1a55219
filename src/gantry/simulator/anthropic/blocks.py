"""The blocks a message is made of, as a client may send them."""

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

Id = Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]+$")]


class Closed(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An object that takes no unknown field."""


class CacheControl(Closed, frozen=True, tag="ephemeral"):
    ttl: Literal["5m", "1h"] = "5m"


class Block(Closed, frozen=True, kw_only=True):
    cache_control: CacheControl | None = None

    @property
    def kind(self) -> str:
        return str(self.__struct_config__.tag)


class TextBlock(Block, frozen=True, kw_only=True, tag="text"):
    text: str
    citations: Any = None


class Base64Source(Closed, frozen=True, tag="base64"):
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp", "application/pdf"]
    data: str


class UrlSource(Closed, frozen=True, tag="url"):
    url: str


class FileSource(Closed, frozen=True, tag="file"):
    file_id: str


class TextSource(Closed, frozen=True, tag="text"):
    data: str
    media_type: Literal["text/plain"] = "text/plain"


class ContentSource(Closed, frozen=True, tag="content"):
    content: str | list[dict[str, Any]]


class ImageBlock(Block, frozen=True, kw_only=True, tag="image"):
    source: Base64Source | UrlSource | FileSource


class DocumentBlock(Block, frozen=True, kw_only=True, tag="document"):
    source: Base64Source | UrlSource | FileSource | TextSource | ContentSource
    title: str | None = None
    context: str | None = None
    citations: dict[str, Any] | None = None


class SearchResultBlock(Block, frozen=True, kw_only=True, tag="search_result"):
    source: str
    title: str
    content: list[dict[str, Any]]
    citations: dict[str, Any] | None = None


class ThinkingBlock(Block, frozen=True, kw_only=True, tag="thinking"):
    thinking: str
    signature: str


class RedactedBlock(Block, frozen=True, kw_only=True, tag="redacted_thinking"):
    data: str


class ToolUseBlock(Block, frozen=True, kw_only=True, tag="tool_use"):
    id: Id
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    input: dict[str, Any]
    caller: Any = None
    toolset_name: str | None = None


class ToolResultBlock(Block, frozen=True, kw_only=True, tag="tool_result"):
    tool_use_id: Id
    content: str | list[TextBlock | ImageBlock | DocumentBlock | SearchResultBlock] | None = None
    is_error: bool | None = None
    toolset_name: str | None = None


class ServerUseBlock(Block, frozen=True, kw_only=True, tag="server_tool_use"):
    """A call Anthropic made itself. The simulator makes none, and takes those of others."""

    id: Id
    name: str
    input: dict[str, Any]
    caller: Any = None


class SearchedBlock(Block, frozen=True, kw_only=True, tag="web_search_tool_result"):
    tool_use_id: Id
    content: Any
    caller: Any = None


AnyBlock: TypeAlias = (
    TextBlock
    | ImageBlock
    | DocumentBlock
    | SearchResultBlock
    | ThinkingBlock
    | RedactedBlock
    | ToolUseBlock
    | ToolResultBlock
    | ServerUseBlock
    | SearchedBlock
)
