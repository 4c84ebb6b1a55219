"""Audio, moderation and models."""

import asyncio
import os
from typing import Any

from tests.sdk.drivers.cases import Case
from tests.sdk.drivers.openai.common import MODEL, SOUND, AsyncOpenAI, client, settings

TRANSCRIBER = os.environ["TRANSCRIPTION_MODEL"]
TIMER = os.environ["TIMED_TRANSCRIPTION_MODEL"]
SPEAKER, VOICE = os.environ["SPEECH_MODEL"], os.environ["VOICE"]


def transcribe(model: str, **terms: Any) -> Any:
    return client().audio.transcriptions.create(model=model, file=("a.mp3", SOUND), **terms)


def transcription() -> Any:
    answer = transcribe(TRANSCRIBER, language="en")
    return {"text": answer.text, "usage": answer.usage.type}


def transcription_text() -> Any:
    return transcribe(TRANSCRIBER, response_format="text")


def transcription_srt() -> Any:
    return transcribe(TIMER, response_format="srt")


def transcription_vtt() -> Any:
    return transcribe(TIMER, response_format="vtt")


def transcription_verbose() -> Any:
    answer = transcribe(TIMER, response_format="verbose_json")
    return {"text": answer.text, "seconds": float(answer.duration), "segments": len(answer.segments)}


def transcription_words() -> Any:
    answer = transcribe(TIMER, response_format="verbose_json", timestamp_granularities=["word"])
    return {"words": len(answer.words) > 2}


def transcription_stream() -> Any:
    events = list(transcribe(TRANSCRIBER, stream=True))
    pieces = [event.delta for event in events if event.type == "transcript.text.delta"]
    return {"text": "".join(pieces), "last": events[-1].type, "whole": events[-1].text}


def transcription_async() -> Any:
    async def run() -> Any:
        async with AsyncOpenAI(**settings()) as openai:
            return await openai.audio.transcriptions.create(model=TRANSCRIBER, file=("a.mp3", SOUND))

    return {"text": asyncio.run(run()).text}


def speech() -> Any:
    answer = client().audio.speech.create(model=SPEAKER, voice=VOICE, input="Mind the gap", response_format="wav")
    return {"opens": answer.content[:4].decode("latin-1"), "type": answer.response.headers["content-type"]}


def speech_streamed() -> Any:
    """The sound in pieces, as they come."""
    with client().audio.speech.with_streaming_response.create(
        model=SPEAKER, voice=VOICE, input="Mind the gap", response_format="wav"
    ) as answer:
        sound = b"".join(answer.iter_bytes())
    return {"opens": sound[:4].decode("latin-1"), "long": len(sound) > 100}


def speech_events() -> Any:
    """The sound as events, which the client leaves to its user to read."""
    with client().audio.speech.with_streaming_response.create(
        model=SPEAKER, voice=VOICE, input="Mind the gap", response_format="wav", stream_format="sse"
    ) as answer:
        lines = [line for line in answer.iter_lines() if line.startswith("data: ")]
    return {"delta": '"speech.audio.delta"' in lines[0], "done": any('"speech.audio.done"' in line for line in lines)}


def moderation() -> Any:
    answer = client().moderations.create(model=os.environ["MODERATION_MODEL"], input=["violence", "tea"])
    return [result.flagged for result in answer.results]


def models_list() -> Any:
    return sorted(card.id for card in client().models.list())


def models_retrieve() -> Any:
    card = client().models.retrieve(MODEL)
    return {"id": card.id, "object": card.object}


CASES: tuple[Case, ...] = (
    transcription,
    transcription_text,
    transcription_srt,
    transcription_vtt,
    transcription_verbose,
    transcription_words,
    transcription_stream,
    transcription_async,
    speech,
    speech_streamed,
    speech_events,
    moderation,
    models_list,
    models_retrieve,
)
