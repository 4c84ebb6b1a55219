"""What Cohere's JSON looks like, as far as it is understood; shared by requests, answers and streams."""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from gantry.dialects.chat_shapes import ABSENT


class ImageUrl(Struct):
    url: str
    detail: str | None = None


class DocumentShape(Struct):
    data: Raw = ABSENT


class Content(Struct):
    """One item of a message's content."""

    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    image_url: ImageUrl | None = None
    document: DocumentShape | None = None


class CallFunction(Struct):
    name: str = ""
    arguments: str | None = None


class Call(Struct):
    id: str = ""
    function: CallFunction = msgspec.field(default_factory=CallFunction)


class Source(Struct):
    document: Raw = ABSENT


class Cited(Struct):
    start: int | None = None
    end: int | None = None
    sources: list[Source] | None = None
    content_index: int | None = None
    type: str | None = None


class SourceDocument(Struct):
    title: str | None = None
    url: str | None = None
    text: str | None = None


decode_content: Final = msgspec.json.Decoder(Content).decode
decode_cited: Final = msgspec.json.Decoder(Cited).decode
decode_source_document: Final = msgspec.json.Decoder(SourceDocument).decode
