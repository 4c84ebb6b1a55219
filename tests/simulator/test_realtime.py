"""Realtime transcription and speech over their WebSockets."""

import base64
from typing import Any

import msgspec
import pytest

from gantry.simulator import Simulator
from tests.simulator.client import ask, run
from tests.simulator.sockets import CLOSE, PING, PONG, connected, masked

HEAR = "/v1/audio/transcriptions/realtime?model=voxtral-mini-transcribe-realtime-2602"
SPEAK = "/v1/audio/speech/realtime?model=voxtral-mini-tts-latest"
SECOND = base64.b64encode(bytes(32_000)).decode()
APPEND = {"type": "input_audio.append", "audio": SECOND}
END = {"type": "input_audio.end"}


def talked(target: str, *said: Any) -> tuple[list[Any], int]:
    """Say everything at once; return the events and the close code."""

    async def scene(simulator: Simulator) -> tuple[list[Any], int]:
        async with connected(simulator, target) as socket:
            assert socket.status == 101
            for event in said:
                socket.send(event)
            found, code = await socket.events()
            return [msgspec.json.decode(event) for event in found], code

    result: tuple[list[Any], int] = run(scene)
    return result


def test_sound_becomes_text_and_its_seconds_are_counted() -> None:
    format_ = {"encoding": "pcm_s16le", "sample_rate": 16000}
    update = {"type": "session.update", "session": {"audio_format": format_, "diarize": True, "language": "fr"}}
    events, code = talked(HEAR, update, APPEND, APPEND, APPEND, {"type": "input_audio.flush"}, END)
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["session.created", "session.updated"]
    assert kinds[-3:] == ["transcription.language", "transcription.segment", "transcription.done"]
    done = events[-1]
    assert "".join(event["text"] for event in events if event["type"].endswith("delta")) == done["text"]
    assert (done["usage"]["prompt_audio_seconds"], done["language"], code) == (3, "fr", 1000)
    assert events[-2]["speaker_id"] == "speaker_1"


def test_turns_are_told_when_asked_for() -> None:
    update = {"type": "session.update", "session": {"turn_detection": {}}}
    kinds = [event["type"] for event in talked(HEAR, update, APPEND, END)[0]]
    assert ["turn.start" in kinds, "turn.end" in kinds] == [True, True]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"type": "sing"}, 3000),
        (["no", "event"], 3000),
        ({"type": "input_audio.append", "audio": "!"}, 3000),
        ({"type": "session.update", "session": {"volume": 11}}, 3000),
        ({"type": "input_audio.append", "audio": base64.b64encode(bytes(262_145)).decode()}, 3002),
    ],
)
def test_what_cannot_be_done_is_an_error_that_ends_nothing(said: Any, code: int) -> None:
    events, closed = talked(HEAR, said, APPEND, END)
    assert (events[1]["type"], events[1]["error"]["code"]) == ("error", code)
    assert (events[-1]["type"], closed) == ("transcription.done", 1000)


def test_a_session_is_not_changed_after_sound() -> None:
    events, _ = talked(HEAR, APPEND, {"type": "session.update", "session": {"language": "fr"}}, END)
    assert [event["error"]["code"] for event in events if event["type"] == "error"] == [3001]


def test_text_becomes_sound_by_the_sentence_and_its_characters_are_counted() -> None:
    update = {"type": "session.update", "session": {"voice": "Paul", "response_format": "wav"}}
    said = [{"type": "input_text.append", "text": text} for text in ("Mind ", "the gap. Stand", " back")]
    events, code = talked(SPEAK, update, *said, {"type": "input_text.end"})
    sounds = [base64.b64decode(event["audio_data"]) for event in events if event["type"] == "speech.audio.delta"]
    assert [sound[:4] for sound in sounds] == [b"RIFF", b"RIFF"]
    assert (events[-1]["type"], events[-1]["usage"]["prompt_tokens"], code) == ("speech.audio.done", 24, 1000)


def test_an_unknown_voice_closes_the_session_and_an_unknown_model_says_so_first() -> None:
    assert talked(SPEAK, {"type": "session.update", "session": {"voice": "nobody"}})[1] == 1008
    events, code = talked("/v1/audio/speech/realtime?model=nope")
    assert (events[0]["error"]["code"], code) == (1500, 1008)


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        (HEAR, {"authorization": ""}, 401),
        (HEAR, {"authorization": "Bearer bad"}, 401),
        (HEAR, {"sec-websocket-key": "x"}, 426),
        (HEAR, {"upgrade": "h2c"}, 426),
        (HEAR.partition("?")[0], {}, 422),
        ("/v1/audio/nothing/realtime", {}, 404),
        ("/v1/models", {}, 200),
        (HEAR + "--sim-status-503", {}, 503),
    ],
)
def test_what_opens_no_session_is_an_answer(target: str, headers: dict[str, str], status: int) -> None:
    async def scene(simulator: Simulator) -> tuple[int, int]:
        async with connected(simulator, target, headers) as socket:
            await socket.reader.read()
            return socket.status, len(simulator.requests)

    assert run(scene) == (status, 1)


def test_without_an_upgrade_the_client_is_told_what_is_needed() -> None:
    async def scene(simulator: Simulator) -> int:
        return (await ask(simulator, HEAR)).status

    assert run(scene) == 426


@pytest.mark.parametrize(
    ("faults", "events", "code"),
    [
        ("cut=between-events; at=2", 2, 0),
        ("cut=mid-event; at=2", 2, 0),
        ("cut=before-end", 5, 0),
        ("reset-mid; at=1", 1, 0),
        ("error-event; at=2", 3, 1011),
        ("tokens-per-second=1000; stall=0.01", 6, 1000),
    ],
)
def test_a_session_breaks_where_the_faults_say(faults: str, events: int, code: int) -> None:
    async def scene(simulator: Simulator) -> tuple[int, int]:
        async with connected(simulator, HEAR, {"x-simulate": faults}) as socket:
            for event in (APPEND, APPEND, END):
                socket.send(event)
            found, closed = await socket.events()
            return len(found), closed

    assert run(scene) == (events, code)


def test_pings_are_answered_and_a_close_is_returned() -> None:
    async def scene(simulator: Simulator) -> list[tuple[int, bytes]]:
        async with connected(simulator, HEAR) as socket:
            await socket.event()
            socket.writer.write(masked(PING, b"a") + masked(CLOSE, b"\x0f\xa0bye"))
            return [await socket.frame(), await socket.frame(), (0, await socket.reader.read())]

    assert run(scene) == [(PONG, b"a"), (CLOSE, b"\x0f\xa0"), (0, b"")]


def test_a_client_that_breaks_the_rules_is_told_the_code() -> None:
    async def scene(simulator: Simulator) -> tuple[int, bytes]:
        async with connected(simulator, HEAR) as socket:
            await socket.event()
            socket.writer.write(b"\x81\x01a")
            return await socket.frame()

    opcode, payload = run(scene)
    assert (opcode, payload[:2]) == (CLOSE, (1002).to_bytes(2, "big"))


def test_what_comes_with_the_handshake_is_heard() -> None:
    async def scene(simulator: Simulator) -> list[str]:
        async with connected(simulator, HEAR, early=masked(1, msgspec.json.encode(APPEND))) as socket:
            return [(await socket.event())["type"] for _ in range(2)]

    assert run(scene) == ["session.created", "transcription.text.delta"]


def test_the_journal_tells_how_a_session_ended() -> None:
    async def scene(simulator: Simulator) -> tuple[Any, list[Any]]:
        async with connected(simulator, HEAR) as socket:
            assert (await socket.event())["type"] == "session.created"
            socket.writer.close()
            seen = await simulator.ended(1)
            return seen[0].fate.value, [len(simulator.connections)]

    assert run(scene) == ("hung_up", [0])
