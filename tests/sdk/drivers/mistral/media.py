"""Pages, sounds and judgements: OCR, moderation, classification, transcription, speech, voices, realtime."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

from tests.sdk.drivers.cases import Case
from tests.sdk.drivers.mistral.common import QUESTION, SOUND, Wagon, client

DOCUMENT = {"type": "document_url", "document_url": "https://example.com/a.pdf"}
MODERATOR = "mistral-moderation-latest"
TRANSCRIBER = "voxtral-mini-latest"
SPEAKER = "voxtral-mini-tts-latest"
ANNOTATION = {
    "type": "json_schema",
    "json_schema": {"name": "wagon", "strict": True, "schema": Wagon.model_json_schema()},
}


def ocr() -> Any:
    answer = client().ocr.process(model="mistral-ocr-latest", document=DOCUMENT)
    return {"pages": len(answer.pages), "processed": answer.usage_info.pages_processed}


def ocr_annotated() -> Any:
    answer = client().ocr.process(
        model="mistral-ocr-latest", document=DOCUMENT, pages=[0], document_annotation_format=ANNOTATION
    )
    return {"pages": len(answer.pages), "annotated": answer.document_annotation is not None}


def ocr_async() -> Any:
    async def run() -> Any:
        async with client() as mistral:
            return await mistral.ocr.process_async(model="mistral-ocr-latest", document=DOCUMENT)

    return {"pages": len(asyncio.run(run()).pages)}


def moderation() -> Any:
    answer = client().classifiers.moderate(model=MODERATOR, inputs=["violence", "tea"])
    return [result.categories["violence_and_threats"] for result in answer.results]


def moderation_chat() -> Any:
    conversations = [[{"role": "user", "content": "violence"}], [{"role": "user", "content": "tea"}]]
    answer = client().classifiers.moderate_chat(model=MODERATOR, inputs=conversations)
    return [result.categories["violence_and_threats"] for result in answer.results]


def classification() -> Any:
    answer = client().classifiers.classify(model="ft:classifier:yard", inputs=["one", "two"])
    return [len(result) > 0 for result in answer.results]


def classification_chat() -> Any:
    """The field of the conversations is called `inputs` by mistralai 1 and `input` since."""
    classify = client().classifiers.classify_chat
    conversations = [{"messages": QUESTION}]
    try:
        answer = classify(model="ft:classifier:yard", input=conversations)
    except TypeError:
        answer = classify(model="ft:classifier:yard", inputs=conversations)
    return [len(result) > 0 for result in answer.results]


def transcription() -> Any:
    sound = {"file_name": "a.mp3", "content": SOUND}
    answer = client().audio.transcriptions.complete(model=TRANSCRIBER, file=sound, language="en", diarize=False)
    return {"text": answer.text, "seconds": answer.usage.prompt_audio_seconds, "language": answer.language}


def transcription_timed() -> Any:
    sound = {"file_name": "a.mp3", "content": SOUND}
    answer = client().audio.transcriptions.complete(
        model=TRANSCRIBER, file=sound, timestamp_granularities=["segment"], diarize=True
    )
    return {"segments": len(answer.segments)}


def transcription_of_a_link() -> Any:
    answer = client().audio.transcriptions.complete(model=TRANSCRIBER, file_url="https://example.com/a.mp3")
    return {"text": answer.text}


def transcription_of_a_file() -> Any:
    mistral = client()
    made = mistral.files.upload(file={"file_name": "stored.mp3", "content": SOUND}, purpose="audio")
    answer = mistral.audio.transcriptions.complete(model=TRANSCRIBER, file_id=made.id)
    return {"text": answer.text}


def transcription_stream() -> Any:
    """A form that is too long to be read at once; some clients write `stream` after the file."""
    sound = {"file_name": "a.mp3", "content": SOUND * 10}
    with client().audio.transcriptions.stream(model=TRANSCRIBER, file=sound) as events:
        seen = list(events)
    pieces = [event.data.text for event in seen if event.event == "transcription.text.delta"]
    return {"last": seen[-1].event, "text": "".join(pieces), "seconds": seen[-1].data.usage.prompt_audio_seconds}


def transcription_async() -> Any:
    async def run() -> list[Any]:
        async with client() as mistral:
            link = "https://example.com/a.mp3"
            events = await mistral.audio.transcriptions.stream_async(model=TRANSCRIBER, file_url=link)
            return [event async for event in events]

    return {"last": asyncio.run(run())[-1].event}


def speech() -> Any:
    answer = client().audio.speech.complete(
        model=SPEAKER, input="Mind the gap", voice_id="en_paul_neutral", response_format="wav"
    )
    return {"opens": base64.b64decode(answer.audio_data)[:4].decode("latin-1")}


def speech_stream() -> Any:
    with client().audio.speech.complete(
        model=SPEAKER, input="Mind the gap", voice_id="en_paul_neutral", response_format="wav", stream=True
    ) as events:
        seen = list(events)
    sound = b"".join(base64.b64decode(event.data.audio_data) for event in seen if event.event == "speech.audio.delta")
    return {"opens": sound[:4].decode("latin-1"), "last": seen[-1].event, "tokens": seen[-1].data.usage.prompt_tokens}


def voices() -> Any:
    voices = client().audio.voices
    sample = base64.b64encode(SOUND).decode()
    made = voices.create(name="Conductor", languages=["en"], sample_audio=sample, sample_filename="a.wav")
    changed = voices.update(voice_id=made.id, description="calm")
    heard = voices.get_sample_audio(voice_id=made.id)
    names = [voice.name for voice in voices.list().items]
    voices.delete(voice_id=made.id)
    return {
        "names": names,
        "description": changed.description,
        "got": voices.get(voice_id="en_paul_neutral").name,
        "sample": (heard.read() if hasattr(heard, "read") else heard)[:4].decode("latin-1"),
        "left": [voice.name for voice in voices.list().items],
    }


def voices_searched() -> Any:
    page = client().audio.voices.search(query="Paul")
    return {"names": [voice.name for voice in page.result.data]}


def realtime() -> Any:
    async def sound() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield SOUND[:16_000]

    async def run() -> list[Any]:
        heard = client().audio.realtime.transcribe_stream(sound(), model="voxtral-mini-transcribe-realtime-2602")
        return [event async for event in heard]

    seen = asyncio.run(run())
    return {
        "first": seen[0].type,
        "last": seen[-1].type,
        "deltas": sum(getattr(event, "type", "") == "transcription.text.delta" for event in seen),
        "seconds": seen[-1].usage.prompt_audio_seconds,
    }


def realtime_refused() -> Any:
    async def run() -> Any:
        async with await client(api_key="bad-key").audio.realtime.connect(model="voxtral-mini-realtime-latest"):
            return "connected"

    return asyncio.run(run())


def realtime_speech() -> Any:
    async def words() -> AsyncIterator[str]:
        yield "Mind "
        yield "the gap"

    async def run() -> list[Any]:
        spoken = client().audio.realtime_speech.speak_stream(words(), model=SPEAKER, voice_id="en_paul_neutral")
        return [event async for event in spoken]

    kinds = [event.type for event in asyncio.run(run())]
    return {"sound": "speech.audio.delta" in kinds, "last": kinds[-1]}


CASES: tuple[Case, ...] = (
    ocr,
    ocr_annotated,
    ocr_async,
    moderation,
    moderation_chat,
    classification,
    classification_chat,
    transcription,
    transcription_timed,
    transcription_of_a_link,
    transcription_of_a_file,
    transcription_stream,
    transcription_async,
    speech,
    speech_stream,
    voices,
    voices_searched,
    realtime,
    realtime_refused,
    realtime_speech,
)
