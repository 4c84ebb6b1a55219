"""The input of a request as messages.

Law: adjacent items of the assistant are one message, adjacent results one tool turn. An item that only this format
knows goes to the assistant when the provider made it, and to the user when it stands for something the caller brings
(a result, a reference, a compacted history): other encoders drop the first and refuse the second.
"""

from typing import Final

from msgspec import Raw

from gantry.core.chat import CacheMark, Media, MediaKind, Message, NativePart, Part, Role, Text, ToolResult
from gantry.core.errors import InvalidRequest
from gantry.dialects.data_urls import audio_mime, mime_of_name, split_data_url
from gantry.dialects.members import decode_list, decode_text, is_text
from gantry.dialects.read_exactly import read_exactly
from gantry.dialects.responses.items import OWN, kind_of, native, said_by_assistant, says_something, spoken_part
from gantry.dialects.responses.shapes import (
    CacheBreakpoint,
    ContentPart,
    Head,
    decode_head,
    decode_message,
    decode_output,
    decode_part,
)

_ROLES: Final = {
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
}
_RESULTS: Final = frozenset(("function_call_output", "custom_tool_call_output"))
_MADE_BY_PROVIDER: Final = frozenset(("mcp_list_tools", "mcp_approval_request", "program"))
_KNOWN_PARTS: Final = frozenset(
    ("input_text", "output_text", "text", "refusal", "input_image", "input_file", "input_audio")
)
_JOINED: Final = frozenset((Role.ASSISTANT, Role.TOOL))


def read_input(raw: Raw) -> list[Message]:
    """Return the turns of an input. Raises InvalidRequest."""
    if is_text(raw):
        return [Message(Role.USER, (Text(read_exactly(decode_text, raw, "input")),))]
    turns: list[tuple[Role, list[Part]]] = []
    for position, item in enumerate(read_exactly(decode_list, raw, "input")):
        role, parts = _read_item(item, f"input[{position}]", position)
        if role is Role.ASSISTANT:
            parts = [part for part in parts if says_something(part)]
            if not parts:
                continue
        if turns and turns[-1][0] is role and role in _JOINED:
            turns[-1][1].extend(parts)
        else:
            turns.append((role, parts))
    return [Message(role, tuple(parts)) for role, parts in turns]


def _read_item(raw: Raw, path: str, position: int) -> tuple[Role, list[Part]]:
    head = read_exactly(decode_head, raw, path)
    if head.type is None and head.role is None:
        raise InvalidRequest(f"`{path}` has neither a `type` nor a `role`", param=path)
    kind = kind_of(head)
    if kind == "message":
        return _read_message(raw, head, path)
    if head.type in _RESULTS:
        return _read_result(raw, path)
    if kind:
        return Role.ASSISTANT, read_exactly(lambda item: said_by_assistant(item, position), raw, path)
    return _role_of_native(head), [NativePart(OWN, native(raw))]


def _role_of_native(head: Head) -> Role:
    kind = head.type or ""
    return Role.ASSISTANT if kind.endswith("_call") or kind in _MADE_BY_PROVIDER else Role.USER


def _read_message(raw: Raw, head: Head, path: str) -> tuple[Role, list[Part]]:
    role = _ROLES.get(head.role or "")
    if role is None:
        known = ", ".join(_ROLES)
        raise InvalidRequest(f"`{path}.role` must be one of {known}", param=f"{path}.role")
    content = read_exactly(decode_message, raw, path).content
    if content is None:
        raise InvalidRequest(f"`{path}.content` is missing", param=f"{path}.content")
    if isinstance(content, str):
        return role, [Text(content)]
    parts: list[Part] = []
    for number, one in enumerate(content):
        found = read_content(one, f"{path}.content[{number}]", assistant=role is Role.ASSISTANT)
        if found is None:
            return role, [NativePart(OWN, native(raw))]
        parts.append(found)
    return role, parts


def _read_result(raw: Raw, path: str) -> tuple[Role, list[Part]]:
    item = read_exactly(decode_output, raw, path)
    if not isinstance(item.output, list):
        said: tuple[Text | Media | NativePart, ...] = (Text(item.output),) if item.output else ()
        return Role.TOOL, [ToolResult(item.call_id, said, item.name)]
    parts: list[Text | Media | NativePart] = []
    for number, one in enumerate(item.output):
        found = read_content(one, f"{path}.output[{number}]")
        if not isinstance(found, Text | Media):
            return Role.USER, [NativePart(OWN, native(raw))]
        parts.append(found)
    return Role.TOOL, [ToolResult(item.call_id, tuple(parts), item.name)]


def read_content(raw: Raw, path: str, *, assistant: bool = False) -> Part | None:
    """Return one part of a content; None for a part that only this format knows."""
    head = read_exactly(decode_head, raw, path)
    if head.type not in _KNOWN_PARTS:
        if head.type is None:
            raise InvalidRequest(f"`{path}.type` is missing", param=f"{path}.type")
        return None
    part = read_exactly(decode_part, raw, path)
    cache = _cache_mark(part.prompt_cache_breakpoint)
    match head.type:
        case "input_image":
            return _image(part, path, cache)
        case "input_file":
            return _file(part, path, cache)
        case "input_audio":
            return _audio(part, path, cache)
        case "refusal":
            return spoken_part(part)
        case _:
            if part.text is None:
                raise InvalidRequest(f"`{path}.text` is missing", param=f"{path}.text")
            return spoken_part(part) if assistant else Text(part.text, cache=cache)


def _image(part: ContentPart, path: str, cache: CacheMark | None) -> Media:
    if part.image_url is None and part.file_id is None:
        raise InvalidRequest(f"`{path}.image_url` is missing, and no `file_id` stands for it", param=path)
    if part.image_url is None:
        return Media(MediaKind.IMAGE, file_id=part.file_id, detail=part.detail, cache=cache)
    inline = split_data_url(part.image_url)
    if inline is None:
        return Media(MediaKind.IMAGE, url=part.image_url, detail=part.detail, cache=cache)
    return Media(MediaKind.IMAGE, inline[0], inline[1], detail=part.detail, cache=cache)


def _file(part: ContentPart, path: str, cache: CacheMark | None) -> Media:
    kind, name, detail = MediaKind.DOCUMENT, part.filename, part.detail
    if part.file_data is not None:
        mime, data = split_data_url(part.file_data) or (mime_of_name(name), part.file_data)
        return Media(kind, mime, data, name=name, detail=detail, cache=cache)
    if part.file_url is not None:
        return Media(kind, url=part.file_url, name=name, detail=detail, cache=cache)
    if part.file_id is not None:
        return Media(kind, file_id=part.file_id, name=name, detail=detail, cache=cache)
    raise InvalidRequest(f"`{path}` needs one of `file_data`, `file_url` and `file_id`", param=path)


def _audio(part: ContentPart, path: str, cache: CacheMark | None) -> Media:
    audio = part.input_audio
    if audio is None:
        raise InvalidRequest(f"`{path}.input_audio` is missing", param=f"{path}.input_audio")
    return Media(MediaKind.AUDIO, audio_mime(audio.format), audio.data, cache=cache)


def _cache_mark(mark: CacheBreakpoint | None) -> CacheMark | None:
    return None if mark is None else CacheMark(mark.ttl)
