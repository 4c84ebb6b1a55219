"""Data URLs and the media types of files (RFC 2397): content that stands in a URL, and content that has only a name."""

import mimetypes
from typing import Final

from gantry.core.chat import MediaKind

_BASE64: Final = ";base64"
_DEFAULT: Final = "text/plain"
_AUDIO_FORMATS: Final = {"wav": "audio/wav", "mp3": "audio/mpeg", "flac": "audio/flac", "ogg": "audio/ogg"}
_FORMATS_OF_AUDIO: Final = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
}


def split_data_url(url: str) -> tuple[str, str] | None:
    """Return the media type and the base64 of a data URL; None for any other URL, and for text that is not base64."""
    if not url.startswith("data:"):
        return None
    head, comma, data = url[5:].partition(",")
    if not comma or not head.endswith(_BASE64):
        return None
    mime = head.removesuffix(_BASE64).partition(";")[0]
    return mime or _DEFAULT, data


def data_url(mime: str | None, data: str) -> str:
    return f"data:{mime or 'application/octet-stream'};base64,{data}"


def mime_of_name(name: str | None) -> str | None:
    """Return the media type that a file's name or URL lets one expect."""
    return None if name is None else mimetypes.guess_type(name.partition("?")[0])[0]


def kind_of_mime(mime: str | None) -> MediaKind:
    """Return what a media type is for a model: an image, sound, a video, or else a document."""
    head = (mime or "").partition("/")[0]
    match head:
        case "image":
            return MediaKind.IMAGE
        case "audio":
            return MediaKind.AUDIO
        case "video":
            return MediaKind.VIDEO
        case _:
            return MediaKind.DOCUMENT


def audio_mime(name: str | None) -> str | None:
    """Return the media type of an audio format as OpenAI names it: `wav`, `mp3`."""
    return None if name is None else _AUDIO_FORMATS.get(name, f"audio/{name}")


def audio_format(mime: str | None) -> str | None:
    """Return OpenAI's name of an audio media type."""
    return None if mime is None else _FORMATS_OF_AUDIO.get(mime.partition(";")[0], mime.partition("/")[2])
