"""The fold of audio: transcriptions, speech, and the messages of a realtime connection, which are the same events.

Law: one vocabulary, whoever writes it. The text that ends a transcription wins over its deltas; of audio, the size is
kept and not the sound.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.usage import NO_USAGE, Usage
from gantry.dialects.chat_chunk import has_value, read_chunk, read_shape
from gantry.dialects.chat_shapes import ABSENT, Chunk
from gantry.dialects.error_message import error_message
from gantry.dialects.fold import Answer, Envelope, encode
from gantry.dialects.media import decoded_size, size_note

_TEXT_DELTAS: Final = frozenset(("transcription.text.delta", "transcript.text.delta"))
_SEGMENTS: Final = frozenset(("transcription.segment", "transcript.text.segment"))
_DONE: Final = frozenset(("transcription.done", "transcript.text.done", "speech.audio.done"))
_OF_THE_CALLER: Final = "input_"  # what a realtime caller sends, should both directions be in one capture
_SECOND_LIMIT: Final = 10**9


class _Session(Struct, gc=False):
    model: str | None = None
    request_id: str | None = None


class _Event(Struct, gc=False):
    """An event, or a whole answer."""

    type: str | None = None
    text: str | None = None
    delta: str | None = None
    audio_data: Raw = ABSENT
    audio: Raw = ABSENT  # OpenAI's name for it
    language: str | None = None
    audio_language: str | None = None
    segments: list[Raw] | None = None
    duration: Decimal | None = None
    session: _Session | None = None


class AudioFold(Envelope):
    """What was heard or spoken, as far as it came."""

    __slots__ = ("_audio_bytes", "_deltas", "_done", "_duration", "_language", "_segments", "_text")

    def __init__(self, streamed: bool) -> None:
        super().__init__()
        self._deltas: list[str] = []
        self._text: str | None = None
        self._language: str | None = None
        self._segments: list[Raw] = []
        self._audio_bytes: int | None = None
        self._duration: Decimal | None = None
        self._done = False

    def add(self, document: bytes) -> bool:
        chunk, event = read_chunk(document), read_shape(_Event, document)
        if chunk is None or event is None:
            return False
        type_ = event.type or ""
        if type_.startswith(_OF_THE_CALLER):
            return True
        if type_ in _SEGMENTS:
            self._segments.append(Raw(document))
        elif type_ in _TEXT_DELTAS:
            self._deltas.append(event.text or event.delta or "")
        else:
            self._take_rest(chunk, event)
        return True

    def answer(self, ended: bool, warnings: Iterable[str] = ()) -> Answer:
        message = text = self._said()
        if message is None and self._audio_bytes is not None:
            message = encode({"audio": size_note(self._audio_bytes, "")}).decode()
        answer = self.conclude(complete=ended or self._done, warnings=warnings, message=message, text=text)
        if answer.usage == NO_USAGE and self._duration is not None:
            return msgspec.structs.replace(answer, usage=Usage(input_audio_seconds=self._duration))
        return answer

    def whole(self) -> bytes:
        found: dict[str, Any] = {
            "text": self._said(),
            "language": self._language,
            "segments": self._segments or None,
            "duration": self._duration,
            "audio": None if self._audio_bytes is None else size_note(self._audio_bytes, ""),
            "error": None if self.error is None else {"message": error_message(self.error)},
        }
        return encode({**self.members(), **{name: value for name, value in found.items() if value is not None}})

    def _take_rest(self, chunk: Chunk, event: _Event) -> None:
        self.take(chunk)
        if event.session is not None:
            self.model = event.session.model or self.model
            self.response_id = self.response_id or event.session.request_id
        self._done = self._done or event.type in _DONE
        self._text = event.text if event.text is not None else self._text
        self._language = event.language or event.audio_language or self._language
        self._segments = event.segments or self._segments
        if event.duration is not None and event.duration.is_finite() and 0 <= event.duration <= _SECOND_LIMIT:
            self._duration = event.duration
        for raw in (event.audio_data, event.audio):
            size = decoded_size(raw) if has_value(raw) else None
            if size is not None:
                self._audio_bytes = (self._audio_bytes or 0) + size

    def _said(self) -> str | None:
        if self._text is not None:
            return self._text
        if self._deltas:
            return "".join(self._deltas)
        spoken = [event.text for raw in self._segments if (event := read_shape(_Event, raw)) is not None and event.text]
        return " ".join(text.strip() for text in spoken) if spoken else None
