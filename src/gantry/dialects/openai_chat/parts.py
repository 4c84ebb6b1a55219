"""The content parts of OpenAI's messages, read and written.

Law: a part that this format lacks is refused with its place in the caller's request, because the model would answer
about something it never saw. Texts of files are the exception: they become text. OpenAI's chat reads images by URL, all
else as data; a file id means something only to the account it was uploaded to.
"""

import base64
from typing import Any, Final, assert_never

from gantry.core.chat import Media, MediaKind, Part, Refusal, Text
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.changes import Change, converted
from gantry.dialects.data_urls import (
    audio_format,
    audio_mime,
    data_url,
    kind_of_mime,
    mime_of_name,
    split_data_url,
)
from gantry.dialects.openai_chat.messages_in import cache_mark
from gantry.dialects.openai_chat.shapes import AudioIn, FileIn, PartIn, UrlIn

_ACCOUNTS: Final = (Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES)  # whose file ids are the same
# The starts of WAV, MP3 (with a tag, and three kinds without), FLAC, Ogg and MP4 in base64.
_SOUNDS: Final = {
    "UklGR": "audio/wav",
    "SUQz": "audio/mpeg",
    "//uQ": "audio/mpeg",
    "//vQ": "audio/mpeg",
    "//OE": "audio/mpeg",
    "ZkxhQ": "audio/flac",
    "T2dnU": "audio/ogg",
    "AAAAIGZ0eX": "audio/mp4",
}
_EXTENSIONS: Final = {"application/pdf": ".pdf"}


def read_part(part: PartIn, where: str) -> Part | None:
    """Return a part of OpenAI's. Raises InvalidRequest; None for a kind that is not known."""
    match part.type:
        case "text" | "input_text" | "output_text":
            return Text(needed(part.text, f"{where}.text"), cache=cache_mark(part.cache_control))
        case "image_url" | "input_image":
            return linked(MediaKind.IMAGE, part.image_url, part, f"{where}.image_url")
        case "video_url":
            return linked(MediaKind.VIDEO, part.video_url, part, f"{where}.video_url")
        case "input_audio":
            return audio(part.input_audio, part, f"{where}.input_audio")
        case "file" if part.file is not None:
            return _file(part.file, part, where)
        case "refusal":
            return Refusal(needed(part.refusal, f"{where}.refusal"))
        case _:
            return None


def write_media(media: Media, where: str, account: Dialect, changes: list[Change]) -> dict[str, Any]:
    """Return a part for OpenAI's format. `account` is whose file ids the request's are. Raises InvalidRequest."""
    if media.file_id is not None:
        return _file_of_account(media, where, account)
    match media.kind:
        case MediaKind.IMAGE:
            image = {"url": _link(media)}
            if media.detail is not None:
                image["detail"] = media.detail
            return {"type": "image_url", "image_url": image}
        case MediaKind.VIDEO:
            return {"type": "video_url", "video_url": {"url": _link(media)}}
        case MediaKind.AUDIO:
            if media.data is None:
                raise InvalidRequest(
                    f"`{where}`: the provider of this model takes sound as data, not by URL", param=where
                )
            return {"type": "input_audio", "input_audio": {"data": media.data, "format": audio_format(media.mime)}}
        case MediaKind.DOCUMENT:
            return _write_document(media, where, changes)
        case _:
            assert_never(media.kind)


def text_of_document(media: Media) -> str | None:
    """Return the text of a document that is plain text; None for any other."""
    if media.data is None or not (media.mime or "").startswith("text/"):
        return None
    try:
        return base64.b64decode(media.data, validate=False).decode()
    except ValueError:
        return None


def _write_document(media: Media, where: str, changes: list[Change]) -> dict[str, Any]:
    text = text_of_document(media)
    if text is not None:
        changes.append(converted(where, "from a document to its text"))
        return {"type": "text", "text": text if media.name is None else f"{media.name}:\n{text}"}
    if media.data is None:
        raise InvalidRequest(f"`{where}`: the provider of this model takes documents as data, not by URL", param=where)
    name = media.name or "document" + _EXTENSIONS.get(media.mime or "", "")
    return {"type": "file", "file": {"filename": name, "file_data": data_url(media.mime, media.data)}}


def _file_of_account(media: Media, where: str, account: Dialect) -> dict[str, Any]:
    if account not in _ACCOUNTS or media.kind is not MediaKind.DOCUMENT:
        raise InvalidRequest(
            f"`{where}`: the provider of this model does not know this file. Send its content instead.", param=where
        )
    return {"type": "file", "file": {"file_id": media.file_id}}


def _link(media: Media) -> str:
    return media.url if media.url is not None else data_url(media.mime, media.data or "")


def linked(kind: MediaKind, given: str | UrlIn | None, part: PartIn, field: str) -> Media:
    """Return content that stands in a URL, or behind one. Raises InvalidRequest when it is missing."""
    if given is None:
        raise missing(field)
    url, detail = (given, part.detail) if isinstance(given, str) else (given.url, given.detail or part.detail)
    cache = cache_mark(part.cache_control)
    inline = split_data_url(url)
    if inline is None:
        return Media(kind, mime_of_name(url), url=url, detail=detail, cache=cache)
    return Media(kind, inline[0], data=inline[1], detail=detail, cache=cache)


def audio(given: str | AudioIn | None, part: PartIn, field: str) -> Media:
    """Return sound: OpenAI's object, or Mistral's string. Raises InvalidRequest when it is missing."""
    if given is None:
        raise missing(field)
    cache = cache_mark(part.cache_control)
    if isinstance(given, AudioIn):
        return Media(MediaKind.AUDIO, audio_mime(given.format), data=given.data, cache=cache)
    if given.startswith(("http://", "https://")):
        return Media(MediaKind.AUDIO, mime_of_name(given), url=given, cache=cache)
    inline = split_data_url(given)
    mime, data = (None, given) if inline is None else inline
    return Media(MediaKind.AUDIO, mime or sound_mime(data), data=data, cache=cache)


def _file(file: FileIn, part: PartIn, where: str) -> Media:
    cache = cache_mark(part.cache_control)
    if file.file_data is None:
        file_id = needed(file.file_id, f"{where}.file.file_data")
        return Media(MediaKind.DOCUMENT, mime_of_name(file.filename), file_id=file_id, name=file.filename, cache=cache)
    data = file.file_data
    if data.startswith(("http://", "https://")):
        mime = mime_of_name(file.filename) or mime_of_name(data)
        return Media(kind_of_mime(mime), mime, url=data, name=file.filename, cache=cache)
    inline = split_data_url(data)
    mime, data = (mime_of_name(file.filename), data) if inline is None else inline
    return Media(kind_of_mime(mime), mime, data=data, name=file.filename, cache=cache)


def sound_mime(data: str) -> str | None:
    """Return the media type that the first bytes of base64 sound tell; Mistral's format names none."""
    return next((mime for start, mime in _SOUNDS.items() if data.startswith(start)), None)


def needed(value: str | None, field: str) -> str:
    """Return a member that a part must have. Raises InvalidRequest."""
    if value is None:
        raise missing(field)
    return value


def missing(field: str) -> InvalidRequest:
    return InvalidRequest(f"`{field}` is missing", param=field)
