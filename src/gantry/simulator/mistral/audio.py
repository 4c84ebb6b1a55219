"""Audio: transcriptions from forms, speech, and voices."""

import base64
import struct
from typing import Any

from gantry.simulator.exchange import Answer, Headers, event, json_answer, stream_answer
from gantry.simulator.forms import Upload, read_form
from gantry.simulator.mistral.bodies import CREATED_AT, json_object, missing
from gantry.simulator.mistral.catalog import lookup
from gantry.simulator.mistral.errors import not_found
from gantry.simulator.oracle import digest, tokenize
from gantry.simulator.routes import Call
from gantry.simulator.shelf import Shelf

_BYTES_PER_SECOND = 16_000
_PIECES = 4
_VOICE_FIELDS = ("name", "slug", "languages", "gender", "age", "tags", "color")


def transcribe(call: Call) -> Answer:
    form = read_form(call.request)
    fields = form.fields
    if not fields.get("model"):
        raise missing("model")
    lookup(fields["model"])
    upload = form.uploads.get("file") or _linked(fields)
    if upload is None:
        raise missing("file")
    seconds = max(1, len(upload.data) // _BYTES_PER_SECOND)
    text = f"Simulated transcription of {upload.name}, {seconds} seconds long."
    segments = [
        {"type": "transcription_segment", "text": text, "start": 0.1, "end": float(seconds), "speaker_id": "speaker_1"}
    ]
    tokens = len(tokenize(text))
    whole = {
        "model": fields["model"],
        "text": text,
        "language": fields.get("language") or None,
        "segments": segments if "timestamp_granularities" in fields else [],
        "usage": {
            "prompt_audio_seconds": seconds,
            "prompt_tokens": 5,
            "total_tokens": 5 + tokens + 125 * seconds,
            "completion_tokens": tokens,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 125 * seconds},
            "service_tier": "standard",
        },
        "finish_reason": None,
    }
    cost: Headers = ((b"x-ratelimit-audio-seconds-query-cost", b"%d" % seconds),)
    if fields.get("stream") != "true":
        return json_answer(whole, headers=cost)
    return _transcription_events(text, segments[0], whole)


def _linked(fields: dict[str, str]) -> Upload | None:
    link = fields.get("file_url") or fields.get("file_id")
    return Upload(link, "audio/mpeg", b"") if link else None


def _transcription_events(text: str, segment: dict[str, Any], whole: dict[str, Any]) -> Answer:
    data: list[dict[str, Any]] = [{"type": "transcription.language", "audio_language": "en"}]
    data += [{"type": "transcription.text.delta", "text": token} for token in tokenize(text)]
    data.append({**segment, "type": "transcription.segment"})
    data.append({**whole, "type": "transcription.done"})
    return stream_answer((event(item, item["type"]) for item in data), (1 for _ in data))


def speak(call: Call) -> Answer:
    body = json_object(call.request.body, "input")
    lookup(body.get("model") or "voxtral-mini-tts-latest")
    text = str(body["input"])
    sound = waveform(text)
    if not body.get("stream"):
        cost: Headers = ((b"x-ratelimit-input-characters-query-cost", b"%d" % len(text)),)
        return json_answer({"audio_data": base64.b64encode(sound).decode()}, headers=cost)
    size = len(sound) // _PIECES + 1
    pieces = [base64.b64encode(sound[start : start + size]).decode() for start in range(0, len(sound), size)]
    events = [event({"type": "speech.audio.delta", "audio_data": piece}, "speech.audio.delta") for piece in pieces]
    usage = {
        "prompt_tokens": len(text),
        "completion_tokens": 0,
        "total_tokens": len(text),
        "prompt_audio_seconds": None,
    }
    done = event({"type": "speech.audio.done", "usage": usage}, "speech.audio.done")
    return stream_answer([*events, done], [1] * len(events))


def waveform(text: str) -> bytes:
    """Return a short WAV file, another one for another text."""
    samples = bytes.fromhex(digest(text)) * 50
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8)
    data = struct.pack("<4sI", b"data", len(samples)) + samples
    return struct.pack("<4sI4s", b"RIFF", 4 + len(form) + len(data), b"WAVE") + form + data


class Voices:
    """Voices by id, with two presets."""

    def __init__(self) -> None:
        self._shelf: Shelf[dict[str, Any]] = Shelf("voice", dashes=True)
        for name, slug in (("Paul", "en_paul_neutral"), ("Marie", "fr_marie_neutral")):
            self._store({"name": name, "slug": slug, "languages": [slug[:2]]}, None)

    def list_all(self, _: Call) -> Answer:
        items = self._shelf.all()
        page = {"items": items, "total": len(items), "page": 1, "page_size": 100, "total_pages": 1}
        return json_answer(page)

    def create(self, call: Call) -> Answer:
        return json_answer(self._store(json_object(call.request.body, "name"), "simulated-user"))

    def retrieve(self, call: Call) -> Answer:
        return json_answer(self._known(call.parameter))

    def update(self, call: Call) -> Answer:
        voice = self._known(call.parameter) | json_object(call.request.body)
        self._shelf.put(call.parameter, voice)
        return json_answer(voice)

    def delete(self, call: Call) -> Answer:
        voice = self._known(call.parameter)
        self._shelf.take(call.parameter)
        return json_answer(voice)

    def sample(self, call: Call) -> Answer:
        return Answer(200, b"audio/wav", (waveform(self._known(call.parameter)["name"]),))

    def _known(self, name: str) -> dict[str, Any]:
        voice = self._shelf.get(name)
        if voice is None:
            raise not_found("Voice", name)
        return voice

    def _store(self, fields: dict[str, Any], user: str | None) -> dict[str, Any]:
        kept: dict[str, Any] = {key: fields[key] for key in _VOICE_FIELDS if key in fields}
        kind = "preset" if user is None else "custom"
        voice = {**kept, "type": kind, "id": self._shelf.new_id(), "created_at": CREATED_AT, "user_id": user}
        self._shelf.put(voice["id"], voice)
        return voice
