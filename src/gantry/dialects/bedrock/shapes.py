"""What Converse's JSON looks like, as far as it is understood. Blocks are read one by one, so that others stay raw."""

from typing import Final

import msgspec
from msgspec import Raw, Struct, field

from gantry.dialects.chat_shapes import ABSENT


class Location(Struct, rename="camel"):
    uri: str
    bucket_owner: str | None = None


class Source(Struct, rename="camel"):
    data: str | None = field(name="bytes", default=None)
    s3_location: Location | None = None
    text: str | None = None
    content: Raw = ABSENT


class MediaBlock(Struct, rename="camel"):
    """An image, a document, a video or a sound; `name`, `context` and `citations` are a document's."""

    source: Source
    format: str | None = None
    name: str | None = None
    context: Raw = ABSENT
    citations: Raw = ABSENT


class ToolUse(Struct, rename="camel"):
    tool_use_id: str
    name: str
    input: Raw = Raw(b"{}")
    type: str | None = None  # server_tool_use: the provider itself runs it


class ToolResult(Struct, rename="camel"):
    tool_use_id: str
    content: list[Raw] = []
    status: str | None = None
    type: str | None = None  # of the provider's own tool


class ResultBlock(Struct, rename="camel"):
    text: str | None = None
    json: Raw = ABSENT
    image: MediaBlock | None = None
    document: MediaBlock | None = None
    video: MediaBlock | None = None


class ReasoningText(Struct):
    text: str = ""
    signature: str | None = None


class ReasoningContent(Struct, rename="camel"):
    reasoning_text: ReasoningText | None = None
    redacted_content: str | None = None


class CachePoint(Struct):
    ttl: str | None = None


class TextPiece(Struct):
    text: str = ""


class WebLocation(Struct):
    url: str | None = None


class CitationLocation(Struct):
    web: WebLocation | None = None


class Cited(Struct, rename="camel"):
    title: str | None = None
    source: str | None = None
    source_content: list[TextPiece] = []
    location: CitationLocation | None = None


class CitationsContent(Struct):
    content: list[TextPiece] = []
    citations: list[Raw] = []


class Block(Struct, rename="camel"):
    """One block of content: a union by key. None of these keys: a block that only Bedrock knows."""

    text: str | None = None
    image: MediaBlock | None = None
    document: MediaBlock | None = None
    video: MediaBlock | None = None
    audio: MediaBlock | None = None
    tool_use: ToolUse | None = None
    tool_result: ToolResult | None = None
    reasoning_content: ReasoningContent | None = None
    cache_point: CachePoint | None = None
    citations_content: CitationsContent | None = None


class MessageShape(Struct):
    role: str
    content: list[Raw]


decode_block: Final = msgspec.json.Decoder(Block).decode
decode_result_block: Final = msgspec.json.Decoder(ResultBlock).decode
decode_cited: Final = msgspec.json.Decoder(Cited).decode
