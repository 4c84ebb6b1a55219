"""The chunks of Mistral's messages, read and written.

Law: a chunk that only Mistral has (a reference, a resource) stays as it came. Sound is a string, data or URL, whose
format nobody names: its first bytes tell it.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.chat import Media, MediaKind, Part, Text, Thinking
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.carried import pack_proof, unpack_proof
from gantry.dialects.changes import Change, converted
from gantry.dialects.data_urls import data_url, mime_of_name, split_data_url
from gantry.dialects.members import UNREADABLE
from gantry.dialects.openai_chat.messages_in import cache_mark
from gantry.dialects.openai_chat.parts import audio, linked, missing, needed, text_of_document
from gantry.dialects.openai_chat.shapes import PartIn, UrlIn

_DETAILS: Final = ("low", "auto", "high")


class _Inner(Struct, gc=False):
    text: str | None = None


_decode_inner: Final = msgspec.json.Decoder(_Inner).decode


def read_part(part: PartIn, where: str) -> Part | None:
    """Return a chunk of Mistral's. Raises InvalidRequest; None for a kind that only Mistral knows."""
    match part.type:
        case "text":
            return Text(needed(part.text, f"{where}.text"), cache=cache_mark(part.cache_control))
        case "image_url":
            return linked(MediaKind.IMAGE, part.image_url, part, f"{where}.image_url")
        case "document_url":
            return _document(part, where)
        case "input_audio":
            return audio(part.input_audio, part, f"{where}.input_audio")
        case "file" if part.file_id is not None:
            return Media(MediaKind.DOCUMENT, file_id=part.file_id)
        case "thinking":
            return _thinking(part)
        case _:
            return None


def write_media(media: Media, where: str, account: Dialect, changes: list[Change]) -> dict[str, Any]:
    """Return a chunk for Mistral. `account` is whose file ids the request's are. Raises InvalidRequest."""
    if media.file_id is not None:
        if account is not Dialect.MISTRAL:
            raise InvalidRequest(f"`{where}` names no file at Mistral. Send its content instead.", param=where)
        return {"type": "file", "file_id": media.file_id}
    link = media.url if media.url is not None else data_url(media.mime, media.data or "")
    match media.kind:
        case MediaKind.IMAGE if media.detail in _DETAILS:
            return {"type": "image_url", "image_url": {"url": link, "detail": media.detail}}
        case MediaKind.IMAGE:
            return {"type": "image_url", "image_url": link}
        case MediaKind.AUDIO:
            return {"type": "input_audio", "input_audio": media.url if media.url is not None else media.data or ""}
        case MediaKind.DOCUMENT:
            return _write_document(media, link, where, changes)
        case MediaKind.VIDEO:
            raise InvalidRequest(f"`{where}` is a video, which Mistral's models do not watch", param=where)


def write_thinking(part: Thinking) -> dict[str, Any] | None:
    """Return a chunk of thinking; None for one that says nothing and proves nothing."""
    signature = part.signature if part.dialect is Dialect.MISTRAL else pack_proof(part)
    if not part.text and not signature:
        return None
    told = [{"type": "text", "text": part.text}] if part.text else []
    chunk: dict[str, Any] = {"type": "thinking", "thinking": told}
    return chunk if signature is None else {**chunk, "signature": signature}


def _write_document(media: Media, link: str, where: str, changes: list[Change]) -> dict[str, Any]:
    text = text_of_document(media)
    if text is not None:
        changes.append(converted(where, "from a document to its text"))
        return {"type": "text", "text": text if media.name is None else f"{media.name}:\n{text}"}
    chunk = {"type": "document_url", "document_url": link}
    if media.name is not None:
        chunk["document_name"] = media.name
    return chunk


def _document(part: PartIn, where: str) -> Media:
    given = part.document_url
    if given is None:
        raise missing(f"{where}.document_url")
    url = given.url if isinstance(given, UrlIn) else given
    inline = split_data_url(url)
    if inline is None:
        mime = mime_of_name(part.document_name) or mime_of_name(url)
        return Media(MediaKind.DOCUMENT, mime, url=url, name=part.document_name)
    return Media(MediaKind.DOCUMENT, inline[0], data=inline[1], name=part.document_name)


def _thinking(part: PartIn) -> Thinking:
    text = part.thinking if isinstance(part.thinking, str) else "".join(map(_inner_text, part.thinking or ()))
    if part.signature is None:
        return Thinking(text)
    return unpack_proof(part.signature, Thinking(text, part.signature, dialect=Dialect.MISTRAL))


def _inner_text(raw: Raw) -> str:
    try:
        return _decode_inner(raw).text or ""
    except UNREADABLE:
        return ""
