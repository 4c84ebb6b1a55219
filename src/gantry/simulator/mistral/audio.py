"""Transcriptions from forms, and speech."""

import base64
from typing import Any

import msgspec

from gantry.simulator.exchange import Answer, Headers, event, json_answer, stream_answer
from gantry.simulator.forms import Form, Upload, read_form
from gantry.simulator.mistral.bodies import decode, missing
from gantry.simulator.mistral.catalog import lookup
from gantry.simulator.mistral.errors import capability, literal
from gantry.simulator.mistral.files import Files
from gantry.simulator.mistral.schemas import SpeechRequest
from gantry.simulator.oracle import tokenize
from gantry.simulator.routes import Call, Table
from gantry.simulator.sound import Segment, seconds_of, segments, waveform

TOKENS_PER_SECOND = 125
_PIECES = 4
_GRANULARITIES = ("segment", "word")
_SPEECH = msgspec.json.Decoder(SpeechRequest)


class Audio:
    """`files` are those of the account: a transcription may name one instead of carrying the sound."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def table(self) -> Table:
        return (
            ("POST", "/v1/audio/transcriptions", self._transcribe),
            ("POST", "/v1/audio/speech", _speak),
        )

    def _transcribe(self, call: Call) -> Answer:
        form = read_form(call.request)
        model = form.get("model")
        if not model:
            raise missing("model")
        if not lookup(model).audio:
            raise capability(model, "audio transcription")
        granularities = form.all("timestamp_granularities")
        for given in granularities:
            if given not in _GRANULARITIES:
                raise literal(("body", "timestamp_granularities"), given, _GRANULARITIES)
        upload = self._sound(form)
        seconds = seconds_of(upload.data)
        text = f"Simulated transcription of {upload.name}, {seconds} seconds long."
        diarized = form.get("diarize") == "true"
        timed = segments(text, seconds, words="word" in granularities) if granularities or diarized else []
        whole = {
            "model": model,
            "text": text,
            "language": form.get("language") or None,
            "segments": [_segment(item, "transcription_segment", diarized=diarized) for item in timed],
            "usage": audio_usage(seconds, len(tokenize(text))),
            "finish_reason": None,
        }
        if form.get("stream") == "true":
            return _events(text, timed, diarized, whole)
        cost: Headers = ((b"x-ratelimit-audio-seconds-query-cost", b"%d" % seconds),)
        return json_answer(whole, headers=cost)

    def _sound(self, form: Form) -> Upload:
        """Return what is to be heard: what was sent, an account's file, or a link that is not followed."""
        if "file" in form.uploads:
            return form.uploads["file"]
        name = form.get("file_id")
        if name:
            file = self._files.known(name)
            return Upload(file.card["filename"], file.card["mimetype"], file.data)
        if not form.get("file_url"):
            raise missing("file")
        return Upload(form.get("file_url"), "audio/mpeg", b"")


def audio_usage(seconds: int, tokens: int) -> dict[str, Any]:
    """Count what was heard; the sound has tokens of its own."""
    heard = TOKENS_PER_SECOND * seconds
    return {
        "prompt_audio_seconds": seconds,
        "prompt_tokens": 5,
        "total_tokens": 5 + tokens + heard,
        "completion_tokens": tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": heard},
        "service_tier": "standard",
    }


def speech_usage(text: str) -> dict[str, Any]:
    return {
        "prompt_tokens": len(text),
        "completion_tokens": 0,
        "total_tokens": len(text),
        "prompt_audio_seconds": None,
    }


def _segment(item: Segment, kind: str, *, diarized: bool) -> dict[str, Any]:
    shown = {"type": kind, "text": item.text, "start": item.start, "end": item.end}
    return {**shown, "speaker_id": item.speaker} if diarized else shown


def _events(text: str, timed: list[Segment], diarized: bool, whole: dict[str, Any]) -> Answer:
    data: list[dict[str, Any]] = [{"type": "transcription.language", "audio_language": whole["language"] or "en"}]
    data += [{"type": "transcription.text.delta", "text": token} for token in tokenize(text)]
    data += [_segment(item, "transcription.segment", diarized=diarized) for item in timed]
    data.append({**whole, "type": "transcription.done"})
    return stream_answer((event(item, item["type"]) for item in data), (1 for _ in data))


def _speak(call: Call) -> Answer:
    request = decode(_SPEECH, call.request.body)
    if request.model is not None and not lookup(request.model).speech:
        raise capability(request.model, "speech")
    sound = waveform(request.input, request.response_format)
    if not request.stream:
        cost: Headers = ((b"x-ratelimit-input-characters-query-cost", b"%d" % len(request.input)),)
        return json_answer({"audio_data": base64.b64encode(sound).decode()}, headers=cost)
    size = len(sound) // _PIECES + 1
    pieces = [base64.b64encode(sound[start : start + size]).decode() for start in range(0, len(sound), size)]
    events = [event({"type": "speech.audio.delta", "audio_data": piece}, "speech.audio.delta") for piece in pieces]
    done = event({"type": "speech.audio.done", "usage": speech_usage(request.input)}, "speech.audio.done")
    return stream_answer([*events, done], [1] * len(events))
