"""Content blocks as parts of the canonical chat, for requests and answers alike.

Law: a block that the canonical chat has no words for stays as its own bytes. A cache point belongs to the part before
it; where there is none that can carry it, it stays a part of its own.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Raw, structs

from gantry.core.chat import (
    CacheMark,
    Citation,
    Media,
    MediaKind,
    NativePart,
    Part,
    Text,
    Thinking,
    ToolCall,
)
from gantry.core.chat import ToolResult as CanonicalResult
from gantry.core.vocabulary import Dialect
from gantry.dialects.bedrock.media import read_media
from gantry.dialects.bedrock.shapes import (
    Block,
    CitationsContent,
    MediaBlock,
    ReasoningContent,
    ToolResult,
    ToolUse,
    decode_block,
    decode_cited,
    decode_result_block,
)
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.read_exactly import read_exactly
from gantry.dialects.tool_terms import arguments_object

SIGNERS: Final = (Dialect.ANTHROPIC, Dialect.BEDROCK)
_ERROR: Final = "error"


def read_blocks(blocks: Sequence[Raw], path: str) -> list[Part]:
    """Return the parts that a list of blocks at `path` holds. Raises InvalidRequest."""
    parts: list[Part] = []
    for number, raw in enumerate(blocks):
        where = f"{path}[{number}]"
        block = read_exactly(decode_block, raw, where)
        if block.cache_point is not None:
            mark_last(parts, CacheMark(block.cache_point.ttl), raw)
        else:
            parts.append(_read_block(block, raw, where))
    return parts


def mark_last(parts: list[Part], mark: CacheMark, raw: Raw) -> None:
    last = parts[-1] if parts else None
    if isinstance(last, Text | Media | ToolCall | CanonicalResult) and last.cache is None:
        parts[-1] = structs.replace(last, cache=mark)
    else:
        parts.append(NativePart(Dialect.BEDROCK, raw))


def _read_block(block: Block, raw: Raw, path: str) -> Part:
    native = NativePart(Dialect.BEDROCK, raw)
    if block.text is not None:
        return Text(block.text)
    if block.tool_use is not None:
        return native if block.tool_use.type == "server_tool_use" else read_call(block.tool_use)
    if block.tool_result is not None:
        return native if block.tool_result.type is not None else _read_result(block.tool_result, path)
    if block.reasoning_content is not None:
        return _read_reasoning(block.reasoning_content) or native
    if block.citations_content is not None:
        return _read_cited(block.citations_content, path)
    medium = _read_medium(block.image, block.document, block.video, block.audio)
    return native if medium is None else medium


def read_call(use: ToolUse) -> ToolCall:
    return ToolCall(use.tool_use_id, use.name, bytes(use.input).decode())


def read_citation(raw: Raw, path: str) -> Citation:
    cited = read_exactly(decode_cited, raw, path)
    quote = "".join(piece.text for piece in cited.source_content)
    web = None if cited.location is None else cited.location.web
    url = None if web is None else web.url
    return Citation(url, cited.title, quote or None, dialect=Dialect.BEDROCK, raw=raw)


def _read_cited(cited: CitationsContent, path: str) -> Text:
    citations = tuple(
        read_citation(raw, f"{path}.citationsContent.citations[{number}]") for number, raw in enumerate(cited.citations)
    )
    return Text("".join(piece.text for piece in cited.content), citations)


def _read_reasoning(content: ReasoningContent) -> Thinking | None:
    if content.reasoning_text is not None:
        signature = content.reasoning_text.signature
        return Thinking(content.reasoning_text.text, signature, dialect=Dialect.ANTHROPIC if signature else None)
    if content.redacted_content is not None:
        return Thinking(sealed=content.redacted_content, dialect=Dialect.BEDROCK)
    return None


def _read_medium(
    image: MediaBlock | None, document: MediaBlock | None, video: MediaBlock | None, audio: MediaBlock | None = None
) -> Media | None:
    for kind, block in (
        (MediaKind.IMAGE, image),
        (MediaKind.DOCUMENT, document),
        (MediaKind.VIDEO, video),
        (MediaKind.AUDIO, audio),
    ):
        if block is not None:
            return read_media(kind, block)
    return None


def _read_result(result: ToolResult, path: str) -> CanonicalResult:
    parts: list[Text | Media | NativePart] = []
    for number, raw in enumerate(result.content):
        block = read_exactly(decode_result_block, raw, f"{path}.toolResult.content[{number}]")
        if block.text is not None:
            parts.append(Text(block.text))
        elif has_value(block.json):
            parts.append(Text(bytes(block.json).decode()))
        else:
            parts.append(_read_medium(block.image, block.document, block.video) or NativePart(Dialect.BEDROCK, raw))
    return CanonicalResult(result.tool_use_id, tuple(parts), is_error=result.status == _ERROR)


def cache_point(mark: CacheMark) -> dict[str, Any]:
    point = {"type": "default"}
    if mark.ttl is not None:
        point["ttl"] = mark.ttl
    return {"cachePoint": point}


def text_block(text: str, citations: Iterable[Citation] = ()) -> dict[str, Any]:
    cited = [citation_value(citation) for citation in citations]
    if not cited:
        return {"text": text}
    content = {"content": [{"text": text}]} if text else {}
    return {"citationsContent": {**content, "citations": cited}}


def citation_value(citation: Citation) -> Any:
    if citation.dialect is Dialect.BEDROCK and citation.raw is not None:
        return citation.raw
    value: dict[str, Any] = {}
    if citation.title is not None:
        value["title"] = citation.title
    if citation.quote is not None:
        value["sourceContent"] = [{"text": citation.quote}]
    if citation.url is not None:
        value["location"] = {"web": {"url": citation.url}}
    return value


def call_block(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": call_id, "name": name, "input": arguments_object(arguments)}}


def thinking_block(thinking: Thinking, *, unsigned: bool) -> dict[str, Any] | None:
    """Return the block of thinking that Bedrock can check; without a signature only where that is allowed."""
    if thinking.dialect is Dialect.BEDROCK and thinking.sealed is not None:
        return {"reasoningContent": {"redactedContent": thinking.sealed}}
    text: dict[str, str] = {"text": thinking.text}
    if thinking.dialect in SIGNERS and thinking.signature is not None:
        text["signature"] = thinking.signature
    elif not unsigned or not thinking.text:
        return None
    return {"reasoningContent": {"reasoningText": text}}
