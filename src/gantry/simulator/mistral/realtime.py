"""Realtime transcription and speech: what is said on their WebSockets, without the wire.

A session opens with `session.created`; sound or text is appended, and the end of it brings the rest, `usage`, and the
close. What a session cannot do it says in an `error` event; an unknown voice closes it (1008), as the clients expect.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta, Struct

from gantry.simulator.exchange import Answer, Farewell, Reaction, json_answer
from gantry.simulator.mistral.audio import audio_usage, speech_usage
from gantry.simulator.mistral.catalog import Model, lookup
from gantry.simulator.mistral.errors import unprocessable
from gantry.simulator.mistral.requests import Closed
from gantry.simulator.mistral.schemas import Format
from gantry.simulator.mistral.voices import PRESETS
from gantry.simulator.oracle import digest, tokenize
from gantry.simulator.routes import Call, Refusal, Table
from gantry.simulator.sound import segments, waveform

LARGEST_APPEND = 262_144
_DONE = Farewell(1000)
_REFUSED = 1008
_INVALID, _TOO_LATE, _TOO_LARGE, _FAILED = 3000, 3001, 3002, 1000
_SAMPLE_BYTES = {"pcm_s16le": 2, "pcm_s32le": 4, "pcm_f16le": 2, "pcm_f32le": 4, "pcm_mulaw": 1, "pcm_alaw": 1}
_SCRIPT = "The crane rolls along the quay and sets each load down without a sound. "


class AudioFormat(Closed, frozen=True):
    encoding: Literal["pcm_s16le", "pcm_s32le", "pcm_f16le", "pcm_f32le", "pcm_mulaw", "pcm_alaw"] = "pcm_s16le"
    sample_rate: Annotated[int, Meta(ge=8000, le=96000)] = 16_000


class TranscriptionChanges(Closed, frozen=True, kw_only=True):
    audio_format: AudioFormat | None = None
    target_streaming_delay_ms: int | None = None
    diarize: bool | None = None
    context_bias: list[str] | None = None
    language: str | None = None
    speaker_references: dict[str, str] | None = None
    turn_detection: dict[str, Any] | None = None


class SpeechChanges(Closed, frozen=True, kw_only=True):
    voice: str | None = None
    ref_audio: str | None = None
    streaming_mode: Literal["responsive", "long_form"] | None = None
    response_format: Format | None = None
    expressiveness: Annotated[float, Meta(ge=1)] | None = None


class _Heard(Struct, frozen=True):
    type: str
    session: msgspec.Raw = msgspec.Raw(b"{}")
    audio: str = ""
    text: str | None = None


_HEARD = msgspec.json.Decoder(_Heard)
_TRANSCRIPTION_CHANGES = msgspec.json.Decoder(TranscriptionChanges)
_SPEECH_CHANGES = msgspec.json.Decoder(SpeechChanges)


class _Session:
    """What both kinds have in common: events in, events out, errors that do not end it."""

    kind: ClassVar[str] = ""

    def __init__(self, model: str, fit: bool) -> None:
        self.model = model
        self._fit = fit

    def opened(self) -> Reaction:
        if not self._fit:
            refused = _error(1500, f"Invalid model: {self.model}")
            return Reaction((refused,), Farewell(_REFUSED, "Invalid model"))
        return _say({"type": "session.created", "session": self.describe()})

    def heard(self, message: bytes) -> Reaction:
        try:
            event = _HEARD.decode(message)
        except msgspec.MsgspecError as failure:
            return Reaction((_error(_INVALID, f"Not an event: {failure}"),))
        try:
            return self.react(event)
        except msgspec.MsgspecError as failure:
            return Reaction((_error(_INVALID, f"{event.type}: {failure}"),))

    def failed(self) -> Reaction:
        return Reaction((_error(_FAILED, "Internal server error"),), Farewell(1011, "Internal server error"))

    def describe(self) -> dict[str, Any]:
        return {"request_id": digest(self.kind, self.model), "model": self.model}

    def react(self, event: _Heard) -> Reaction:
        return Reaction((_error(_INVALID, f"Unknown event type: {event.type}"),))


class TranscriptionSession(_Session):
    kind = "transcription"

    def __init__(self, model: str, fit: bool) -> None:
        super().__init__(model, fit)
        self._terms = TranscriptionChanges()
        self._format = AudioFormat()
        self._bytes = 0
        self._appended = 0
        self._words = tokenize(_SCRIPT)
        self._text: list[str] = []

    def describe(self) -> dict[str, Any]:
        terms = self._terms
        return {
            **super().describe(),
            "audio_format": self._format,
            "target_streaming_delay_ms": terms.target_streaming_delay_ms,
            "diarize": terms.diarize,
            "context_bias": terms.context_bias,
            "language": terms.language,
            "speaker_references": list(terms.speaker_references) if terms.speaker_references else None,
            "turn_detection": terms.turn_detection,
        }

    def react(self, event: _Heard) -> Reaction:
        match event.type:
            case "session.update":
                return self._update(event)
            case "input_audio.append":
                return self._append(event)
            case "input_audio.flush":
                return Reaction()
            case "input_audio.end":
                return self._end()
            case _:
                return super().react(event)

    def _update(self, event: _Heard) -> Reaction:
        changes = _TRANSCRIPTION_CHANGES.decode(event.session)
        if self._appended:
            return Reaction((_error(_TOO_LATE, "The session cannot be updated after audio has started"),))
        self._terms = changes
        self._format = changes.audio_format or self._format
        return _say({"type": "session.updated", "session": self.describe()})

    def _append(self, event: _Heard) -> Reaction:
        try:
            sound = base64.b64decode(event.audio, validate=True)
        except binascii.Error:
            return Reaction((_error(_INVALID, "audio is not base64"),))
        if len(sound) > LARGEST_APPEND:
            return Reaction((_error(_TOO_LARGE, f"audio is longer than {LARGEST_APPEND} bytes"),))
        began = self._terms.turn_detection is not None and not self._appended
        word = self._words[self._appended % len(self._words)]
        self._bytes += len(sound)
        self._appended += 1
        self._text.append(word)
        turn = [{"type": "turn.start", "time_s": 0.0}] if began else []
        return _say(*turn, {"type": "transcription.text.delta", "text": word})

    def _end(self) -> Reaction:
        text, seconds = "".join(self._text), self._seconds()
        timed = segments(text, seconds)
        shown = [
            {"text": item.text, "start": item.start, "end": item.end, **self._speaker(item.speaker)} for item in timed
        ]
        turn = {"type": "turn.end", "time_s": float(seconds), "end_reason": "threshold"}
        done = {
            "type": "transcription.done",
            "model": self.model,
            "text": text,
            "language": self._terms.language,
            "segments": [{"type": "transcription_segment", **item} for item in shown],
            "usage": audio_usage(seconds, len(self._text)),
        }
        events = [
            {"type": "transcription.language", "audio_language": self._terms.language or "en"},
            *({"type": "transcription.segment", **item} for item in shown),
            *([turn] if self._terms.turn_detection is not None else []),
            done,
        ]
        return Reaction(tuple(map(msgspec.json.encode, events)), _DONE)

    def _seconds(self) -> int:
        per_second = self._format.sample_rate * _SAMPLE_BYTES[self._format.encoding]
        return -(-self._bytes // per_second)

    def _speaker(self, name: str) -> dict[str, str]:
        return {"speaker_id": name} if self._terms.diarize else {}


class SpeechSession(_Session):
    kind = "speech"

    def __init__(self, model: str, fit: bool) -> None:
        super().__init__(model, fit)
        self._terms = SpeechChanges()
        self._waiting = ""
        self._spoken: list[str] = []

    def describe(self) -> dict[str, Any]:
        terms = self._terms
        return {
            **super().describe(),
            "voice": terms.voice,
            "is_ref_audio": terms.ref_audio is not None,
            "streaming_mode": terms.streaming_mode or "responsive",
            "response_format": terms.response_format or "pcm",
            "expressiveness": terms.expressiveness or 1.0,
        }

    def react(self, event: _Heard) -> Reaction:
        match event.type:
            case "session.update":
                return self._update(event)
            case "input_text.append":
                self._waiting += event.text or ""
                return self._speak(whole=False)
            case "input_text.flush":
                self._waiting += event.text or ""
                return self._speak(whole=True)
            case "input_text.end":
                rest = self._speak(whole=True).messages
                done = {"type": "speech.audio.done", "usage": speech_usage("".join(self._spoken))}
                return Reaction((*rest, msgspec.json.encode(done)), _DONE)
            case _:
                return super().react(event)

    def _update(self, event: _Heard) -> Reaction:
        changes = _SPEECH_CHANGES.decode(event.session)
        if changes.voice is not None and changes.voice not in _VOICES:
            return Reaction((), Farewell(_REFUSED, f"Unknown voice: {changes.voice}"[:120]))
        self._terms = changes
        return _say({"type": "session.updated", "session": self.describe()})

    def _speak(self, *, whole: bool) -> Reaction:
        """Speak the sentences that are complete, or all there is."""
        end = len(self._waiting) if whole else max(self._waiting.rfind(mark) + 1 for mark in ".!?\n")
        text, self._waiting = self._waiting[:end], self._waiting[end:]
        if not text:
            return Reaction()
        self._spoken.append(text)
        sound = base64.b64encode(waveform(text, self._terms.response_format or "pcm")).decode()
        return _say({"type": "speech.audio.delta", "audio_data": sound})


_VOICES = {name for preset in PRESETS for name in preset}


def _transcribe(call: Call) -> Answer:
    return _open(call, TranscriptionSession, lambda model: model.realtime or model.audio)


def _speak(call: Call) -> Answer:
    return _open(call, SpeechSession, lambda model: model.speech)


def _open(call: Call, kind: type[TranscriptionSession | SpeechSession], fits: Callable[[Model], bool]) -> Answer:
    """Offer a session. Without a WebSocket the answer is that one is needed."""
    name = call.request.query.get("model")
    if not name:
        raise unprocessable("missing", ("query", "model"), "Field required", None)
    try:
        fit = fits(lookup(name))
    except Refusal:
        fit = False
    needed = json_answer({"detail": "A WebSocket is needed here"}, 426)
    return msgspec.structs.replace(needed, session=kind(name, fit))


def _say(*events: dict[str, Any]) -> Reaction:
    return Reaction(tuple(map(msgspec.json.encode, events)))


def _error(code: int, message: str) -> bytes:
    return msgspec.json.encode({"type": "error", "error": {"message": message, "code": code}})


TABLE: Table = (
    ("GET", "/v1/audio/transcriptions/realtime", _transcribe),
    ("GET", "/v1/audio/speech/realtime", _speak),
)
