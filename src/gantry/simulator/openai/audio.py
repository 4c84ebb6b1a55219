"""Transcriptions, translations and speech as OpenAI words them."""

import base64
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from gantry.simulator.exchange import DONE, Answer, event, json_answer, stream_answer
from gantry.simulator.forms import Form, read_form
from gantry.simulator.openai.bodies import decode, missing
from gantry.simulator.openai.catalog import check_model, transcribes_by_duration
from gantry.simulator.openai.errors import invalid
from gantry.simulator.oracle import count_tokens, tokenize
from gantry.simulator.routes import Call, Table
from gantry.simulator.sound import MEDIA, Segment, seconds_of, segments, waveform

_FIELDS = {
    "file",
    "model",
    "chunking_strategy",
    "include",
    "known_speaker_names",
    "known_speaker_references",
    "language",
    "prompt",
    "response_format",
    "stream",
    "temperature",
    "timestamp_granularities",
}
_FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
_TOKENS_PER_SECOND = 10
_PIECES = 8
_PLAIN, _VTT = b"text/plain; charset=utf-8", b"text/vtt; charset=utf-8"


class SpeechRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    model: str
    input: Annotated[str, Meta(min_length=1, max_length=4096)]
    voice: str | dict[str, str]
    instructions: str | None = None
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: Annotated[float, Meta(ge=0.25, le=4)] = 1.0
    stream_format: Literal["sse", "audio"] = "audio"


_SPEECH = msgspec.json.Decoder(SpeechRequest)


def _transcribe(call: Call) -> Answer:
    return _heard(call, "transcribe")


def _translate(call: Call) -> Answer:
    return _heard(call, "translate")


def _heard(call: Call, task: str) -> Answer:
    form = read_form(call.request)
    model, shape = _checked(form)
    upload = form.uploads["file"]
    seconds = seconds_of(upload.data)
    verb = "transcription" if task == "transcribe" else "translation"
    text = f"Simulated {verb} of {upload.name}, {seconds} seconds long."
    usage = _usage(model, form.get("prompt"), text, seconds)
    if form.get("stream") == "true" and not transcribes_by_duration(model):
        return _told(text, usage)
    timed = segments(text, seconds)
    match shape:
        case "text":
            return Answer(200, _PLAIN, (text.encode() + b"\n",))
        case "srt":
            blocks = [f"{number}\n{_span(item, ',')}\n{item.text}\n\n" for number, item in enumerate(timed, 1)]
            return Answer(200, _PLAIN, ("".join(blocks).encode(),))
        case "vtt":
            cues = [f"{_span(item, '.')}\n{item.text}\n\n" for item in timed]
            return Answer(200, _VTT, (("WEBVTT\n\n" + "".join(cues)).encode(),))
        case "verbose_json":
            return json_answer(_verbose(form, task, text, seconds, timed, usage))
        case _:
            return json_answer({"text": text, "usage": usage})


def _checked(form: Form) -> tuple[str, str]:
    """Return the model and the format asked for. Raises Refusal."""
    for name in sorted(form.names - _FIELDS):
        raise invalid(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    model, shape = form.get("model"), form.get("response_format") or "json"
    if not model:
        raise missing("model")
    if "file" not in form.uploads:
        raise missing("file")
    check_model(model)
    if shape not in _FORMATS:
        raise invalid(f"Invalid value: '{shape}'.", "response_format", "invalid_value")
    if shape not in ("json", "text") and not transcribes_by_duration(model):
        text = f"response_format '{shape}' is not compatible with model '{model}'. Use 'json' or 'text' instead."
        raise invalid(text, "response_format", "unsupported_value")
    return model, shape


def _usage(model: str, prompt: str, text: str, seconds: int) -> dict[str, Any]:
    if transcribes_by_duration(model):
        return {"type": "duration", "seconds": seconds}
    heard, read, said = _TOKENS_PER_SECOND * seconds, count_tokens(prompt), len(tokenize(text))
    return {
        "type": "tokens",
        "input_tokens": heard + read,
        "input_token_details": {"text_tokens": read, "audio_tokens": heard},
        "output_tokens": said,
        "total_tokens": heard + read + said,
    }


def _told(text: str, usage: dict[str, Any]) -> Answer:
    deltas = [event({"type": "transcript.text.delta", "delta": token}) for token in tokenize(text)]
    done = event({"type": "transcript.text.done", "text": text, "usage": usage})
    return stream_answer([*deltas, done, DONE], [1] * len(deltas))


def _verbose(
    form: Form, task: str, text: str, seconds: int, timed: list[Segment], usage: dict[str, Any]
) -> dict[str, Any]:
    granularities = form.all("timestamp_granularities") or ["segment"]
    whole: dict[str, Any] = {"task": task, "language": form.get("language") or "english", "duration": float(seconds)}
    whole |= {"text": text, "usage": usage}
    if "word" in granularities:
        words = segments(text, seconds, words=True)
        whole["words"] = [{"word": item.text, "start": item.start, "end": item.end} for item in words]
    if "segment" in granularities:
        whole["segments"] = [_segment(number, item) for number, item in enumerate(timed)]
    return whole


def _segment(number: int, item: Segment) -> dict[str, Any]:
    return {
        "id": number,
        "seek": 0,
        "start": item.start,
        "end": item.end,
        "text": item.text,
        "tokens": list(range(50_364, 50_364 + len(tokenize(item.text)))),
        "temperature": 0.0,
        "avg_logprob": -0.25,
        "compression_ratio": 1.1,
        "no_speech_prob": 0.01,
    }


def _span(item: Segment, point: str) -> str:
    return f"{_clock(item.start, point)} --> {_clock(item.end, point)}"


def _clock(seconds: float, point: str) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{thousandths:03}"


def _speak(call: Call) -> Answer:
    request = decode(_SPEECH, call.request.body)
    check_model(request.model)
    sound = waveform(request.input, request.response_format)
    size = len(sound) // _PIECES + 1
    pieces = [sound[start : start + size] for start in range(0, len(sound), size)]
    if request.stream_format == "audio":
        return stream_answer(pieces, [1] * len(pieces), MEDIA[request.response_format])
    if request.model.startswith("tts-"):
        raise invalid(f"stream_format 'sse' is not supported with {request.model}.", "stream_format")
    read, made = count_tokens(request.input), len(tokenize(request.input)) * 4
    usage = {"input_tokens": read, "output_tokens": made, "total_tokens": read + made}
    deltas = [event({"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()}) for piece in pieces]
    done = event({"type": "speech.audio.done", "usage": usage})
    return stream_answer([*deltas, done], [1] * len(deltas))


TABLE: Table = (
    ("POST", "/v1/audio/transcriptions", _transcribe),
    ("POST", "/v1/audio/translations", _translate),
    ("POST", "/v1/audio/speech", _speak),
)
