"""The content blocks of a request.

Law: a block that is not everyone's keeps its bytes (`NativePart`), a member of a known block that is not everyone's is
kept by its path, so that another dialect's encoder can name it. Types of what is read are strict, and nothing else is
looked at.
"""

from base64 import b64encode
from collections.abc import Callable
from typing import Final

from msgspec import Raw

from gantry.core.chat import (
    CacheMark,
    Media,
    MediaKind,
    NativePart,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.anthropic.citations import read_citation
from gantry.dialects.anthropic.fields import (
    content_items,
    leftovers,
    optional_flag,
    optional_text,
    read_cache,
    read_list,
)
from gantry.dialects.anthropic.signature import read_signed
from gantry.dialects.members import Members, has, read_members, read_text
from gantry.dialects.tool_terms import EMPTY_OBJECT

_KNOWN: Final = {
    "text": frozenset(("type", "text", "citations", "cache_control")),
    "image": frozenset(("type", "source", "cache_control")),
    "document": frozenset(("type", "source", "title", "cache_control")),
    "tool_use": frozenset(("type", "id", "name", "input", "caller", "cache_control")),
    "tool_result": frozenset(("type", "tool_use_id", "content", "is_error", "cache_control")),
    "thinking": frozenset(("type", "thinking", "signature")),
    "redacted_thinking": frozenset(("type", "data")),
}
_DIRECT: Final = ("direct", None)


def read_content(raw: Raw | None, path: str, extra: Members) -> tuple[Part, ...]:
    """Return the parts of a turn. What its blocks hold that only Anthropic knows is added to `extra` by its path."""
    found = content_items(raw, path)
    if isinstance(found, str):
        return (Text(found),) if found else ()
    return tuple([_read_block(block, f"{path}[{number}]", extra) for number, block in enumerate(found)])


def _read_block(raw: Raw, path: str, extra: Members) -> Part:
    members = read_members(raw, path, "a content block")
    kind = read_text(members.get("type"), f"{path}.type")
    reader = _READERS.get(kind)
    part = None if reader is None else reader(members, f"{path}.", extra)
    if part is None:
        return NativePart(Dialect.ANTHROPIC, raw)
    extra.update(leftovers(members, _KNOWN[kind], f"{path}."))
    if isinstance(part, Media) and not part.cited:
        extra.pop(f"{path}.citations", None)
    return part


def _read_text(members: Members, path: str, _: Members) -> Part:
    raw = members.get("citations")
    citations = read_list(raw, f"{path}citations") if raw is not None and has(members, "citations") else []
    text = read_text(members.get("text"), f"{path}text")
    return Text(text, tuple([read_citation(one) for one in citations]), read_cache(members, path))


def _read_image(members: Members, path: str, _: Members) -> Part | None:
    return _read_source(members, path, MediaKind.IMAGE, read_cache(members, path))


def _read_document(members: Members, path: str, extra: Members) -> Part | None:
    return _read_source(
        members, path, MediaKind.DOCUMENT, read_cache(members, path), optional_text(members, "title", path)
    )


def _read_source(
    members: Members, path: str, kind: MediaKind, cache: CacheMark | None, name: str | None = None
) -> Media | None:
    """Return where a medium is; None for a source that only Anthropic has, such as a document in blocks."""
    source = read_members(_required(members, "source", path), f"{path}source")
    inside = f"{path}source."
    context = optional_text(members, "context", path)
    cited = False
    if has(members, "citations"):
        cited = bool(
            optional_flag(read_members(members["citations"], f"{path}citations"), "enabled", f"{path}citations.")
        )

    def medium(
        mime: str | None = None, data: str | None = None, url: str | None = None, file: str | None = None
    ) -> Media:
        return Media(kind, mime, data, url, file, name, context=context, cited=cited, cache=cache)

    match read_text(source.get("type"), f"{inside}type"):
        case "base64":
            mime = optional_text(source, "media_type", inside)
            return medium(mime, read_text(source.get("data"), f"{inside}data"))
        case "text":
            text = read_text(source.get("data"), f"{inside}data")
            return medium("text/plain", b64encode(text.encode("utf-8", "replace")).decode())
        case "url":
            return medium(url=read_text(source.get("url"), f"{inside}url"))
        case "file":
            return medium(file=read_text(source.get("file_id"), f"{inside}file_id"))
        case _:
            return None


def _read_call(members: Members, path: str, _: Members) -> Part | None:
    if has(members, "caller"):
        caller = read_members(members["caller"], f"{path}caller")
        if optional_text(caller, "type", f"{path}caller.") not in _DIRECT:
            return None  # called by code that the provider ran
    arguments = members.get("input", EMPTY_OBJECT)
    read_members(arguments, f"{path}input")
    return ToolCall(
        read_text(members.get("id"), f"{path}id"),
        read_text(members.get("name"), f"{path}name"),
        bytes(arguments).decode("utf-8", "replace"),
        cache=read_cache(members, path),
    )


def _read_result(members: Members, path: str, extra: Members) -> Part:
    parts: tuple[Part, ...] = ()
    if has(members, "content"):
        parts = read_content(members["content"], f"{path}content", extra)
    inner = tuple([part for part in parts if isinstance(part, Text | Media | NativePart)])
    if len(inner) != len(parts):
        where = f"{path}content"
        raise InvalidRequest(f"`{where}` holds a block that no tool answers with", param=where)
    return ToolResult(
        read_text(members.get("tool_use_id"), f"{path}tool_use_id"),
        inner,
        is_error=bool(optional_flag(members, "is_error", path)),
        cache=read_cache(members, path),
    )


def _read_thinking(members: Members, path: str, _: Members) -> Part:
    text = read_text(members.get("thinking"), f"{path}thinking")
    return read_signed(text, optional_text(members, "signature", path))


def _read_redacted(members: Members, path: str, _: Members) -> Part:
    return Thinking(sealed=read_text(members.get("data"), f"{path}data"), dialect=Dialect.ANTHROPIC)


def _required(members: Members, name: str, path: str) -> Raw:
    raw = members.get(name)
    if raw is None:
        raise InvalidRequest(f"`{path}{name}` is missing", param=f"{path}{name}")
    return raw


_READERS: Final[dict[str, Callable[[Members, str, Members], Part | None]]] = {
    "text": _read_text,
    "image": _read_image,
    "document": _read_document,
    "tool_use": _read_call,
    "tool_result": _read_result,
    "thinking": _read_thinking,
    "redacted_thinking": _read_redacted,
}
