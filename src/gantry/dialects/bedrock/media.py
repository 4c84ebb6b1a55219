"""Media in Converse: a format of a closed list instead of a media type, bytes or a place in S3 instead of a URL.

Law: a format that has no media type of its own gets one that leads back to it. A document's name is plain and unique in
its request, because the API refuses others: letters, digits, single spaces, hyphens, parentheses and brackets.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final

from gantry.core.chat import Media, MediaKind
from gantry.core.errors import InvalidRequest
from gantry.dialects.bedrock.shapes import MediaBlock
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.data_urls import mime_of_name, split_data_url

_MIMES: Final[Mapping[MediaKind, Mapping[str, str]]] = {
    MediaKind.IMAGE: {name: f"image/{name}" for name in ("png", "jpeg", "gif", "webp")},
    MediaKind.DOCUMENT: {
        "pdf": "application/pdf",
        "csv": "text/csv",
        "doc": "application/msword",
        "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xls": "application/vnd.ms-excel",
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "html": "text/html",
        "txt": "text/plain",
        "md": "text/markdown",
    },
    MediaKind.VIDEO: {
        "mkv": "video/x-matroska",
        "mov": "video/quicktime",
        "mp4": "video/mp4",
        "webm": "video/webm",
        "flv": "video/x-flv",
        "mpeg": "video/mpeg",
        "mpg": "video/mpg",
        "wmv": "video/x-ms-wmv",
        "three_gp": "video/3gpp",
    },
    MediaKind.AUDIO: {
        "mp3": "audio/mpeg",
        "wav": "audio/wav",
        "mkv": "audio/x-matroska",
        **{name: f"audio/{name}" for name in ("opus", "aac", "flac", "mp4", "ogg", "mka", "x-aac", "m4a", "webm")},
        "mpeg": "audio/x-mpeg",
        "mpga": "audio/mpga",
        "pcm": "audio/pcm",
    },
}
_FORMATS: Final = {
    kind: {mime: name for name, mime in mimes.items()} | more
    for kind, mimes, more in (
        (MediaKind.IMAGE, _MIMES[MediaKind.IMAGE], {"image/jpg": "jpeg"}),
        (MediaKind.DOCUMENT, _MIMES[MediaKind.DOCUMENT], {"text/x-markdown": "md"}),
        (MediaKind.VIDEO, _MIMES[MediaKind.VIDEO], {}),
        (MediaKind.AUDIO, _MIMES[MediaKind.AUDIO], {"audio/x-wav": "wav", "audio/mp3": "mp3", "audio/l16": "pcm"}),
    )
}
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9()\[\]-]+")
_NAME_LIMIT: Final = 190  # of 200, so that a number fits behind it
_DEFAULT_NAME: Final = "document"


def read_media(kind: MediaKind, block: MediaBlock) -> Media | None:
    """Return the medium of a block; None when it says more than a medium can hold."""
    source = block.source
    if has_value(block.context) or has_value(block.citations) or has_value(source.content):
        return None
    mime = None if block.format is None else _MIMES[kind].get(block.format, f"{kind}/{block.format}")
    if source.data is not None:
        return Media(kind, mime, data=source.data, name=block.name)
    if source.text is not None:
        return Media(kind, mime or "text/plain", data=b64encode(source.text.encode()).decode("ascii"), name=block.name)
    if source.s3_location is not None and source.s3_location.bucket_owner is None:
        return Media(kind, mime, url=source.s3_location.uri, name=block.name)
    return None


def media_block(media: Media, name: str | None, messages: str) -> dict[str, Any]:
    """Return the block of a medium; `name` is a document's. Raises InvalidRequest, naming the caller's `messages`."""
    mime, source = _source(media, messages)
    block: dict[str, Any] = {}
    form = format_of(media.kind, mime)
    if form is not None:
        block["format"] = form
    elif media.kind is not MediaKind.DOCUMENT or mime is not None:
        raise InvalidRequest(
            f"`{messages}`: {media.kind} of type {mime or 'unknown'} is not taken by this model's provider; it takes "
            f"{', '.join(sorted(_MIMES[media.kind]))}",
            param=messages,
        )
    if media.kind is MediaKind.DOCUMENT:
        block["name"] = name or _DEFAULT_NAME
    block["source"] = source
    return {str(media.kind): block}


def format_of(kind: MediaKind, mime: str | None) -> str | None:
    """Return Bedrock's word for a media type; None where it has none."""
    if mime is None:
        return None
    mime = mime.partition(";")[0].strip().lower()
    found = _FORMATS[kind].get(mime)
    return _FORMATS[MediaKind.DOCUMENT]["text/plain"] if found is None and _is_text(kind, mime) else found


def _is_text(kind: MediaKind, mime: str) -> bool:
    return kind is MediaKind.DOCUMENT and (mime.startswith("text/") or mime in ("application/json", "application/xml"))


def _source(media: Media, messages: str) -> tuple[str | None, dict[str, Any]]:
    mime = media.mime
    data = media.data
    if data is None and media.url is not None:
        inline = split_data_url(media.url)
        if inline is not None:
            mime, data = mime or inline[0], inline[1]
        elif media.url.startswith("s3://"):
            return mime or mime_of_name(media.url), {"s3Location": {"uri": media.url}}
    if data is None:
        what = "by a file's id" if media.file_id is not None else "by URL"
        raise InvalidRequest(
            f"`{messages}`: {media.kind} {what} cannot be sent to this model's provider; "
            "send its bytes (a data URL), or an s3:// URI",
            param=messages,
        )
    return mime or mime_of_name(media.name), {"bytes": data}


class DocumentNames:
    """Names for the documents of one request: plain, and each given once."""

    __slots__ = ("_given",)

    def __init__(self) -> None:
        self._given: set[str] = set()

    def plain(self, name: str | None) -> str:
        base = _NOT_PLAIN.sub(" ", name or _DEFAULT_NAME).strip()[:_NAME_LIMIT].strip() or _DEFAULT_NAME
        unique = base
        number = 1
        while unique in self._given:
            number += 1
            unique = f"{base} {number}"
        self._given.add(unique)
        return unique
