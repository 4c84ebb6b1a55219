"""Parts of a turn as Anthropic's content blocks.

Law: what a user gave and Anthropic has no block for is refused by name. What another provider made itself (thinking,
searches, images) is left out of the history, and said.
"""

from base64 import b64decode
from collections.abc import Iterable
from typing import Any, Final, assert_never

from msgspec import Raw, Struct

from gantry.core.chat import (
    CacheMark,
    Media,
    MediaKind,
    NativePart,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.anthropic.citations import own_citations
from gantry.dialects.caller_names import parts_name
from gantry.dialects.changes import Change, converted, dropped
from gantry.dialects.data_urls import mime_of_name, split_data_url
from gantry.dialects.foreign import refuse_part
from gantry.dialects.tool_terms import arguments_object, plain_tool_id

Block = dict[str, Any] | Raw

_PDF: Final = "application/pdf"
_HEADS: Final = {
    "/9j/": "image/jpeg",
    "iVBORw": "image/png",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
    "JVBERi": _PDF,
}
_TEXTUAL: Final = ("application/json", "application/xml", "application/yaml", "application/x-yaml")


class Turn(Struct):
    """Whose parts are written: their name to the caller, the caller's dialect, and what is changed on the way."""

    name: str
    dialect: Dialect
    changes: list[Change]
    by_user: bool = True


def write_parts(parts: Iterable[Part], turn: Turn) -> list[Block]:
    """Return the blocks of a turn. Raises InvalidRequest. Blank texts are left out: Anthropic refuses them."""
    blocks: list[Block] = []
    for number, part in enumerate(parts):
        block = _write_part(part, f"{turn.name}.{parts_name(turn.dialect)}[{number}]", turn)
        if block is not None:
            blocks.append(block)
    return blocks


def _write_part(part: Part, path: str, turn: Turn) -> Block | None:
    match part:
        case Text():
            return _write_text(part)
        case Media():
            if turn.by_user:
                return _write_media(part, path, turn)
            turn.changes.append(dropped(path, f"{part.kind} that a model made"))
            return None
        case Thinking():
            return _write_thinking(part, turn)
        case Refusal(text):
            return _write_text(Text(text))
        case ToolCall():
            call = {"type": "tool_use", "id": plain_tool_id(part.id), "name": part.name}
            return _marked({**call, "input": arguments_object(part.arguments)}, part.cache)
        case ToolResult():
            return _write_result(part, path, turn)
        case NativePart(dialect, raw):
            if dialect is Dialect.ANTHROPIC:
                return raw
            if turn.by_user:
                raise refuse_part(part, path)
            turn.changes.append(dropped(path, "only its own provider knows it"))
            return None
        case _:
            assert_never(part)


def _write_text(part: Text) -> Block | None:
    if not part.text or part.text.isspace():
        return None
    block: dict[str, Any] = {"type": "text", "text": part.text}
    citations = own_citations(part.citations)
    if citations:
        block["citations"] = citations
    return _marked(block, part.cache)


def _write_thinking(part: Thinking, turn: Turn) -> Block | None:
    if part.dialect is Dialect.ANTHROPIC:
        if part.sealed is not None:
            return {"type": "redacted_thinking", "data": part.sealed}
        if part.signature is not None:
            return {"type": "thinking", "thinking": part.text, "signature": part.signature}
    turn.changes.append(dropped(f"{turn.name}.thinking", "Anthropic did not sign it"))
    return None


def _write_result(part: ToolResult, path: str, turn: Turn) -> Block:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": plain_tool_id(part.call_id)}
    content = write_parts(part.parts, Turn(path, turn.dialect, turn.changes))
    match part.parts:
        case (Text(text, (), None),) if content:
            block["content"] = text
        case _ if content:
            block["content"] = content
    if part.is_error:
        block["is_error"] = True
    return _marked(block, part.cache)


def _write_media(media: Media, path: str, turn: Turn) -> Block:
    match media.kind:
        case MediaKind.IMAGE:
            if media.detail not in (None, "auto"):
                turn.changes.append(dropped(f"{path}.detail"))
            return _marked({"type": "image", "source": _source(media, path, turn)}, media.cache)
        case MediaKind.DOCUMENT:
            block: dict[str, Any] = {"type": "document", "source": _source(media, path, turn)}
            if media.name is not None:
                block["title"] = media.name
            if media.context is not None:
                block["context"] = media.context
            if media.cited:
                block["citations"] = {"enabled": True}
            return _marked(block, media.cache)
        case MediaKind.AUDIO | MediaKind.VIDEO:
            raise InvalidRequest(
                f"`{path}` is {media.kind}, which Anthropic's models do not take: leave it out or choose another model",
                param=path,
            )
        case _:
            assert_never(media.kind)


def _source(media: Media, path: str, turn: Turn) -> dict[str, Any]:
    if media.file_id is not None:
        if turn.dialect is not Dialect.ANTHROPIC:
            raise InvalidRequest(
                f"`{path}` names a file of another provider's account: send its content or a URL", param=path
            )
        return {"type": "file", "file_id": media.file_id}
    inline = None if media.url is None else split_data_url(media.url)
    if inline is not None:
        return _inline(media, inline[0], inline[1], path, turn)
    if media.url is not None:
        return {"type": "url", "url": media.url}
    if media.data is not None:
        return _inline(media, media.mime, media.data, path, turn)
    raise InvalidRequest(f"`{path}` has no content", param=path)


def _inline(media: Media, mime: str | None, data: str, path: str, turn: Turn) -> dict[str, Any]:
    """Return content that stands in the request: images and PDF as they are, texts as text, nothing else."""
    kind = (mime or _sniffed(data) or mime_of_name(media.name) or "").partition(";")[0]
    if media.kind is MediaKind.IMAGE or kind == _PDF:
        return {"type": "base64", "media_type": kind or "image/png", "data": data}
    if not kind.startswith("text/") and kind not in _TEXTUAL:
        raise InvalidRequest(
            f"`{path}` is {kind or 'of an unknown type'}: Anthropic's models read PDF and plain text", param=path
        )
    if turn.dialect is not Dialect.ANTHROPIC:
        turn.changes.append(converted(path, "to plain text"))
    return {"type": "text", "media_type": "text/plain", "data": _decoded(data, path)}


def _sniffed(data: str) -> str | None:
    return next((mime for head, mime in _HEADS.items() if data.startswith(head)), None)


def _decoded(data: str, path: str) -> str:
    try:
        return b64decode(data, validate=True).decode()
    except ValueError:
        raise InvalidRequest(f"`{path}` must be base64 of a text in UTF-8", param=path) from None


def _marked(block: dict[str, Any], cache: CacheMark | None) -> dict[str, Any]:
    if cache is not None:
        block["cache_control"] = cache_control(cache)
    return block


def cache_control(mark: CacheMark) -> dict[str, str]:
    """Return a mark as Anthropic writes it."""
    return {"type": "ephemeral"} if mark.ttl is None else {"type": "ephemeral", "ttl": mark.ttl}
