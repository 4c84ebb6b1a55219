"""The content of one OpenAI message as Mistral takes it: a string as it is, a list part by part.

Law: as for messages. A kind of part that is not known here goes on as it came: it is Mistral's own, or only Mistral can
say that it is none.
"""

import re
from typing import Any, Final

from msgspec import Raw

from gantry.core.errors import InvalidRequest
from gantry.dialects.changes import Change, converted, dropped
from gantry.dialects.members import NULL, Members, encode, has, is_text, read_items, read_members, read_text

_TEXT_KEYS: Final = frozenset(("type", "text"))
_IMAGE_KEYS: Final = frozenset(("type", "image_url"))
_LIST: Final = ord("[")
_ORIGINAL: Final = Raw(b'"original"')
_MISTRAL_FILE_ID: Final = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


def adapt_content(where: str, content: Raw, changes: list[Change]) -> Raw:
    """Return the content of a message. Raises InvalidRequest."""
    if memoryview(content)[0] != _LIST:
        return content
    given = read_items(content, f"{where}.content", "a string or a list of parts")
    adapted = []
    for index, part in enumerate(given):
        one = _adapt_part(f"{where}.content[{index}]", part, changes)
        if one is not None:
            adapted.append(one)
    return content if adapted == given else encode(adapted)


def with_thinking(thinking: str, content: Raw | None) -> Raw:
    """Return content with the thinking before it, as Mistral's reasoning models write it."""
    chunks: list[Any] = [{"type": "thinking", "thinking": [{"type": "text", "text": thinking}]}]
    if content is not None and is_text(content):
        text = read_text(content, "content")
        if text:
            chunks.append({"type": "text", "text": text})
    elif content is not None:
        chunks += read_items(content, "content", "a string or a list of parts")
    return encode(chunks)


def _adapt_part(field: str, part: Members, changes: list[Change]) -> Members | None:
    match read_text(part.get("type"), f"{field}.type"):
        case "text":
            return _only(field, part, _TEXT_KEYS, changes)
        case "image_url":
            return _adapt_image(field, _only(field, part, _IMAGE_KEYS, changes), changes)
        case "input_audio":
            return _adapt_audio(field, part, changes)
        case "file" if "file_id" not in part:
            return _adapt_file(field, part, changes)
        case "refusal":
            changes.append(dropped(field, "a refusal"))
            return None
        case _:
            return part


def _only(field: str, part: Members, known: frozenset[str], changes: list[Change]) -> Members:
    if part.keys() <= known:
        return part
    changes.extend(dropped(f"{field}.{name}") for name in part if name not in known)
    return {name: value for name, value in part.items() if name in known}


def _adapt_image(field: str, part: Members, changes: list[Change]) -> Members:
    image = _inner(part, "image_url", field)
    if image is None or image.get("detail") != _ORIGINAL:
        return part
    changes.append(converted(f"{field}.image_url.detail", "to auto"))
    return {**part, "image_url": encode({**image, "detail": "auto"})}


def _adapt_audio(field: str, part: Members, changes: list[Change]) -> Members:
    audio = _inner(part, "input_audio", field)
    if audio is None:
        return part
    if not has(audio, "data"):
        raise InvalidRequest(f"`{field}.input_audio.data` is missing", param=f"{field}.input_audio.data")
    changes.append(converted(f"{field}.input_audio", "to its data alone"))
    return {"type": part["type"], "input_audio": audio["data"]}


def _adapt_file(field: str, part: Members, changes: list[Change]) -> Members:
    file = _inner(part, "file", field) or {}
    if has(file, "file_data"):
        document: dict[str, Any] = {"type": "document_url", "document_url": file["file_data"]}
        if has(file, "filename"):
            document["document_name"] = file["filename"]
        changes.append(converted(f"{field}.file", "to document_url"))
        return document
    if not has(file, "file_id"):
        raise InvalidRequest(f"`{field}.file` must hold `file_data` or `file_id`", param=f"{field}.file")
    if not _MISTRAL_FILE_ID.fullmatch(read_text(file["file_id"], f"{field}.file.file_id")):
        raise InvalidRequest(
            f"`{field}.file.file_id` names no file at Mistral. Upload it there, or send `file_data`.",
            param=f"{field}.file.file_id",
        )
    changes.append(converted(f"{field}.file", "to file_id"))
    return {"type": encode("file"), "file_id": file["file_id"]}


def _inner(part: Members, name: str, field: str) -> Members | None:
    """Return the members of a part's object; None when it is a string, as in Mistral's own spelling."""
    value = part.get(name, NULL)
    if value == NULL:
        raise InvalidRequest(f"`{field}.{name}` is missing", param=f"{field}.{name}")
    return None if is_text(value) else read_members(value, f"{field}.{name}")
