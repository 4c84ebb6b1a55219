"""OpenAI's transcription in front of Mistral's: the form, and the transcript in the format that was asked for.

Law: Mistral answers with text and segments only, so every other format is made here from these; where one needs times,
they are asked for. What Mistral's model does not measure (log probabilities, silence) is zero in a verbose answer,
because OpenAI's SDKs require the keys.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.errors import InvalidRequest, UpstreamBroke
from gantry.dialects.changes import Change, converted, defaulted, dropped, renamed
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.event_stream import EventStream
from gantry.dialects.members import UNREADABLE
from gantry.dialects.mistral_answer import error_body
from gantry.dialects.subtitles import Cue, to_srt, to_vtt
from gantry.dialects.usage import read_usage
from gantry.wire.form import Fields, field_text

_SAME: Final = frozenset(
    "model language temperature stream file_url file_id diarize context_bias speaker_references".split()
)
_PLAIN_TEXT: Final = "text/plain; charset=utf-8"
_JSON: Final = "application/json"


class TranscriptFormat(StrEnum):
    JSON = "json"
    TEXT = "text"
    SRT = "srt"
    VTT = "vtt"
    VERBOSE = "verbose_json"
    DIARIZED = "diarized_json"


_NEED_TIMES: Final = frozenset(
    (TranscriptFormat.SRT, TranscriptFormat.VTT, TranscriptFormat.VERBOSE, TranscriptFormat.DIARIZED)
)


class _Segment(Struct, gc=False):
    text: str = ""
    start: float | None = None
    end: float | None = None
    speaker_id: str | None = None


class _Transcript(Struct):
    text: str
    language: str | None = None
    segments: list[_Segment] | None = None
    usage: Raw = ABSENT


class _Event(_Segment):
    type: str | None = None
    usage: Raw = ABSENT


_decode_transcript: Final = msgspec.json.Decoder(_Transcript).decode
_decode_event: Final = msgspec.json.Decoder(_Event).decode


class TranscriptionForm:
    """The edits of an OpenAI client's form for Mistral, and what of it shapes the answer."""

    __slots__ = ("_diarized", "_remove", "_replace", "changes", "format", "granularities", "language")

    def __init__(self, replace: Mapping[str, bytes], remove: Collection[str]) -> None:
        """Begin a form; `replace` and `remove` are the gateway's own edits, which are no changes to report."""
        self._replace = replace
        self._remove = remove
        self._diarized = False
        self.changes: list[Change] = []
        self.format = TranscriptFormat.JSON
        self.granularities: set[str] = set()
        self.language = "unknown"

    def field(self, name: str, value: bytes) -> Fields | None:
        if name in self._remove:
            return ()
        if name in self._replace:
            return ((name, self._replace[name]),)
        base = name.removesuffix("[]")
        match base:
            case "response_format":
                self.format = _format(value)
                return ()
            case "timestamp_granularities":
                self.granularities.add(field_text(name, value))
                return None
            case "keywords" if not set(b" ,\t\r\n") & set(value):
                self.changes.append(renamed(name, "context_bias"))
                return (("context_bias", value),)
            case "language":
                self.language = field_text(name, value)
            case "diarize":
                self._diarized = True
        if base in _SAME:
            return None
        if value:
            self.changes.append(dropped(name))
        return ()

    def file(self, name: str, filename: str) -> None:
        if name != "file":
            raise InvalidRequest(f"The form has a file called `{name}`; the one to transcribe is `file`.", param=name)

    def end(self) -> Fields:
        fields: list[tuple[str, bytes]] = []
        if self.format in _NEED_TIMES and not self.granularities:
            fields.append(("timestamp_granularities", b"segment"))
            self.changes.append(defaulted("timestamp_granularities", "to segment"))
        if self.format is TranscriptFormat.DIARIZED and not self._diarized:
            fields.append(("diarize", b"true"))
            self.changes.append(converted("response_format", "to diarize"))
        return fields


def to_openai_transcript(status: int, body: bytes, form: TranscriptionForm) -> tuple[str, bytes]:
    """Return the content type and the bytes of a transcript for an OpenAI client. Raises UpstreamBroke."""
    if status >= 400:
        return _JSON, error_body(body)
    try:
        transcript = _decode_transcript(body)
    except UNREADABLE:
        raise UpstreamBroke("the provider's answer is not a transcript") from None
    match form.format:
        case TranscriptFormat.TEXT:
            return _PLAIN_TEXT, (transcript.text + "\n").encode()
        case TranscriptFormat.SRT:
            return _PLAIN_TEXT, to_srt(_cues(transcript)).encode()
        case TranscriptFormat.VTT:
            return _PLAIN_TEXT, to_vtt(_cues(transcript)).encode()
        case TranscriptFormat.JSON:
            answer = {"text": transcript.text, "usage": _token_usage(transcript.usage)}
        case TranscriptFormat.VERBOSE:
            answer = _verbose(transcript, form)
        case TranscriptFormat.DIARIZED:
            answer = _diarized(transcript)
    return _JSON, msgspec.json.encode(answer)


class TranscriptStream(EventStream):
    """Mistral's events of a transcription in, OpenAI's out."""

    __slots__ = ("_diarized", "_segments")

    def __init__(self, form: TranscriptionForm) -> None:
        super().__init__()
        self._diarized = form.format is TranscriptFormat.DIARIZED
        self._segments = 0

    def adapt(self, data: bytes) -> list[Any]:
        event = _decode_event(data)
        match event.type:
            case "transcription.text.delta":
                return [{"type": "transcript.text.delta", "delta": event.text}]
            case "transcription.segment" if self._diarized:
                self._segments += 1
                return [_diarized_segment(self._segments - 1, event)]
            case "transcription.done":
                self.finished = True
                return [{"type": "transcript.text.done", "text": event.text, "usage": _token_usage(event.usage)}]
            case _:
                return []


def _format(value: bytes) -> TranscriptFormat:
    given = field_text("response_format", value)
    try:
        return TranscriptFormat(given)
    except ValueError:
        made = ", ".join(TranscriptFormat)
        raise InvalidRequest(f"`response_format` {given!r} is not one of {made}", param="response_format") from None


def _cues(transcript: _Transcript) -> list[Cue]:
    """Return the cues of a transcript; one for all of it where the provider told no times."""
    cues = [
        Cue(segment.start, segment.end, segment.text)
        for segment in transcript.segments or ()
        if segment.start is not None and segment.end is not None
    ]
    return cues or ([Cue(0.0, _duration(transcript), transcript.text)] if transcript.text else [])


def _verbose(transcript: _Transcript, form: TranscriptionForm) -> dict[str, Any]:
    duration = _duration(transcript)
    answer: dict[str, Any] = {
        "task": "transcribe",
        "language": transcript.language or form.language,
        "duration": duration,
        "text": transcript.text,
        "usage": {"type": "duration", "seconds": duration},
    }
    cues = _cues(transcript)
    if "word" in form.granularities:
        answer["words"] = [{"word": cue.text.strip(), "start": cue.start, "end": cue.end} for cue in cues]
    else:
        answer["segments"] = [_verbose_segment(number, cue) for number, cue in enumerate(cues)]
    return answer


def _verbose_segment(number: int, cue: Cue) -> dict[str, Any]:
    return {
        "id": number,
        "seek": 0,
        "start": cue.start,
        "end": cue.end,
        "text": cue.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": 0.0,
        "compression_ratio": 0.0,
        "no_speech_prob": 0.0,
    }


def _diarized(transcript: _Transcript) -> dict[str, Any]:
    segments = [_diarized_segment(number, segment) for number, segment in enumerate(transcript.segments or ())]
    return {
        "task": "transcribe",
        "duration": _duration(transcript),
        "text": transcript.text,
        "segments": segments,
        "usage": _token_usage(transcript.usage),
    }


def _diarized_segment(number: int, segment: _Segment) -> dict[str, Any]:
    return {
        "type": "transcript.text.segment",
        "id": f"seg_{number}",
        "start": segment.start or 0.0,
        "end": segment.end or 0.0,
        "text": segment.text,
        "speaker": segment.speaker_id or "",
    }


def _duration(transcript: _Transcript) -> float:
    usage, _ = read_usage(transcript.usage if has_value(transcript.usage) else b"{}")
    if usage.input_audio_seconds is not None:
        return float(usage.input_audio_seconds)
    return max((segment.end or 0.0 for segment in transcript.segments or ()), default=0.0)


def _token_usage(raw: Raw) -> dict[str, Any]:
    """Return the usage as OpenAI counts it: Mistral's total includes tokens of audio that its prompt tokens do not."""
    usage, _ = read_usage(raw if has_value(raw) else b"{}")
    prompt, output = usage.input_tokens or 0, usage.output_tokens or 0
    total = max(usage.total_tokens or 0, prompt + output)
    return {
        "type": "tokens",
        "input_tokens": total - output,
        "input_token_details": {"text_tokens": prompt, "audio_tokens": total - output - prompt},
        "output_tokens": output,
        "total_tokens": total,
    }
