"""OpenAI's text to speech in front of Mistral's: the request, and the audio that comes back as base64 in JSON.

Law: the client gets what it asked for, sound as bytes or events with base64. What shapes only the manner of speaking is
dropped and reported; a file format that Mistral does not make is a 400.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.errors import InvalidRequest, UpstreamBroke
from gantry.dialects.changes import Change, dropped, renamed
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.event_stream import EventStream
from gantry.dialects.fields import object_members
from gantry.dialects.members import (
    NULL,
    UNREADABLE,
    Members,
    asks_nothing,
    encode,
    has,
    is_text,
    read_members,
    read_number,
    read_text,
)
from gantry.dialects.mistral_answer import error_body
from gantry.dialects.usage import read_usage

_SAME: Final = frozenset(
    """
    model input voice_id ref_audio metadata prompt_cache_key expressiveness phoneme_hints conversation_history
    """.split()
)
_CONTENT_TYPES: Final = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
_DEFAULT_FORMAT: Final = "mp3"


class SpeechRequest(Struct, frozen=True):
    """The request for Mistral, what was changed in it, and the type of the audio the client expects."""

    body: bytes
    changes: list[Change]
    content_type: str


class _Speech(Struct):
    audio_data: str


class _SpeechEvent(Struct):
    type: str | None = None
    audio_data: str | None = None
    usage: Raw = ABSENT


_decode_speech: Final = msgspec.json.Decoder(_Speech).decode
_decode_event: Final = msgspec.json.Decoder(_SpeechEvent).decode


def to_mistral_speech(body: bytes) -> SpeechRequest:
    """Return an OpenAI speech request for Mistral. Raises InvalidRequest."""
    given = object_members(body, "a speech request")
    if not has(given, "input"):
        raise InvalidRequest("`input` is missing", param="input")
    adapted: Members = {}
    changes: list[Change] = []
    content_type = _CONTENT_TYPES[_DEFAULT_FORMAT]
    for name, value in given.items():
        if value == NULL:
            continue
        match name:
            case _ if name in _SAME:
                adapted[name] = value
            case "voice":
                adapted["voice_id"] = _voice(value)
                changes.append(renamed("voice", "voice_id"))
            case "response_format":
                content_type = _content_type(value)
                adapted[name] = value
            case "stream_format":
                if read_text(value, "stream_format") == "sse":
                    adapted["stream"] = Raw(b"true")
            case "stream":
                adapted[name] = value
            case "speed" if read_number(value, "speed") == 1:
                continue
            case _ if not asks_nothing(value):
                changes.append(dropped(name))
    return SpeechRequest(body if adapted == given else bytes(encode(adapted)), changes, content_type)


def to_openai_speech(status: int, body: bytes, content_type: str) -> tuple[str, bytes]:
    """Return the content type and the bytes of an answer for an OpenAI client. Raises UpstreamBroke."""
    if status >= 400:
        return "application/json", error_body(body)
    try:
        return content_type, a2b_base64(_decode_speech(body).audio_data, strict_mode=True)
    except (Base64Error, *UNREADABLE):
        raise UpstreamBroke("the provider's answer holds no audio that can be read") from None


class SpeechStream(EventStream):
    """Mistral's events of speech in, OpenAI's out."""

    __slots__ = ()

    def adapt(self, data: bytes) -> list[Any]:
        event = _decode_event(data)
        if event.type == "speech.audio.delta":
            return [{"type": event.type, "audio": event.audio_data or ""}]
        if event.type == "speech.audio.done":
            usage, _ = read_usage(event.usage if has_value(event.usage) else b"{}")
            counts = {
                "input_tokens": usage.input_tokens or 0,
                "output_tokens": usage.output_tokens or 0,
                "total_tokens": usage.total_tokens or 0,
            }
            self.finished = True
            return [{"type": event.type, "usage": counts}]
        return []


def _voice(value: Raw) -> Raw:
    """Return the id of a voice, which OpenAI also takes in an object."""
    if is_text(value):
        return value
    members = read_members(value, "voice", "a voice's id, or an object with it")
    return encode(read_text(members.get("id"), "voice.id"))


def _content_type(value: Raw) -> str:
    given = read_text(value, "response_format")
    content_type = _CONTENT_TYPES.get(given)
    if content_type is None:
        made = ", ".join(_CONTENT_TYPES)
        raise InvalidRequest(
            f"`response_format` {given!r} is not made by Mistral, which makes {made}", param="response_format"
        )
    return content_type
