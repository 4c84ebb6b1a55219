"""Drives the realtime clients of mistralai 1, 2 or 3: one JSON line per scenario on stdout.

Reads BASE_URL, KEY and BAD_KEY from the environment. It runs in that client's own environment.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

try:
    from mistralai.client import Mistral
except ImportError:
    from mistralai import Mistral

TRANSCRIBER = os.environ.get("MODEL_PREFIX", "") + "voxtral-mini-transcribe-realtime-2602"
SPEAKER = os.environ.get("MODEL_PREFIX", "") + "voxtral-mini-tts-2603"
SECOND = bytes(32_000)  # of 16 kHz in 16 bits
SENTENCES = ("The crane rolls along the quay. ", "It sets each load down without a sound.")


def client(**changes: Any) -> Any:
    return Mistral(**{"api_key": os.environ["KEY"], "server_url": os.environ["BASE_URL"], **changes})


async def sound() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield SECOND


async def words() -> AsyncIterator[str]:
    for sentence in SENTENCES:
        yield sentence


async def transcribe(**changes: Any) -> Any:
    model = changes.pop("model", TRANSCRIBER)
    stream = client(**changes).audio.realtime.transcribe_stream(sound(), model)
    events = [event async for event in stream]
    done = events[-1]
    deltas = [event.text for event in events if event.type == "transcription.text.delta"]
    return {
        "types": sorted({event.type for event in events}),
        "same": "".join(deltas) == done.text,
        "text": done.text,
        "seconds": done.usage.prompt_audio_seconds,
    }


async def talk() -> Any:
    """Use a connection by hand: update the session, say something, flush, and close before the end."""
    async with await client().audio.realtime.connect(TRANSCRIBER) as connection:
        await connection.send_audio(SECOND)
        async for event in connection:
            if event.type == "transcription.text.delta":
                break
    return {"closed": connection.is_closed, "request_id": bool(connection.request_id)}


async def speak() -> Any:
    stream = client().audio.realtime_speech.speak_stream(words(), SPEAKER)
    events = [event async for event in stream]
    return {"types": [event.type for event in events], "usage": events[-1].usage is not None}


SCENARIOS: dict[str, Callable[[], Any]] = {
    "transcribe": transcribe,
    "talk": talk,
    "bad_key": lambda: transcribe(api_key=os.environ["BAD_KEY"]),
    "bad_model": lambda: transcribe(model="mistral-no-such-model"),
    "speak": speak,
}


def main() -> None:
    for name, scenario in SCENARIOS.items():
        if name == "speak" and not hasattr(client().audio, "realtime_speech"):
            continue
        try:
            outcome = {"result": asyncio.run(scenario())}
        except Exception as error:  # noqa: BLE001 - what the client raises is the result
            outcome = {"error": type(error).__name__, "message": str(error)}
        sys.stdout.write(json.dumps({"scenario": name, **outcome}) + "\n")


if __name__ == "__main__":
    main()
