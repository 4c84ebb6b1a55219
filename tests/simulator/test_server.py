"""The server: order, keep-alive, memory of answers, journal of requests, and clients that misbehave."""

import asyncio
from typing import Any

import msgspec
import pytest

from gantry.simulator import Simulator
from gantry.simulator.server import CONTROL, Settings
from tests.simulator.client import KEY, Reply, ask, chat, encode, port, read, run

CHAT = "/v1/chat/completions"
CONTROL_PATH = CONTROL.decode()


async def talk(simulator: Simulator, data: bytes, answers: int, *, step: int = 0) -> list[Reply]:
    """Send bytes on one connection, all at once or a few at a time, and read so many answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port(simulator))
    for start in range(0, len(data), step or len(data)):
        writer.write(data[start : start + (step or len(data))])
        await writer.drain()
    replies = [await read_one(reader) for _ in range(answers)]
    writer.close()
    return replies


async def read_one(reader: asyncio.StreamReader) -> Reply:
    """Read one answer with a length, and not a byte more."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if line)
    return Reply(int(lines[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"])))


@pytest.mark.parametrize("step", [0, 1, 7])
def test_pipelined_requests_are_answered_in_order(step: int) -> None:
    questions = [chat(messages=[{"role": "user", "content": f"question {number}"}]) for number in range(5)]
    data = b"".join(encode("POST", CHAT, question) for question in questions)
    replies = run(lambda simulator: talk(simulator, data, 5, step=step))
    texts = [reply.json["choices"][0]["message"]["content"] for reply in replies]
    assert [text[:20] for text in texts] == [f"You said: question {number}" for number in range(5)]


def test_the_same_request_gets_the_same_bytes_with_and_without_memory() -> None:
    request = encode("POST", CHAT, chat())

    async def scene(simulator: Simulator) -> tuple[list[Reply], list[Reply], int]:
        together = [await talk(simulator, request, 1) for _ in range(3)]
        apart = await talk(simulator, request, 1, step=11)
        return [reply for (reply,) in together], apart, len(simulator.requests)

    remembered, apart, seen = run(scene)
    assert all(reply == apart[0] for reply in remembered)
    assert seen == 4


def test_a_refused_key_is_not_remembered_for_a_good_one() -> None:
    async def scene(simulator: Simulator) -> list[int]:
        bad = (("authorization", "Bearer bad-key"),)
        requests = [encode("POST", CHAT, chat()), encode("POST", CHAT, chat(), bad), encode("POST", CHAT, chat(), ())]
        return [(await talk(simulator, request, 1))[0].status for request in [*requests, *requests]]

    assert run(scene) == [200, 401, 401] * 2


def test_head_has_the_headers_of_get_and_no_body() -> None:
    async def scene(simulator: Simulator) -> tuple[Reply, Reply]:
        return await ask(simulator, "/v1/models", method="HEAD"), await ask(simulator, "/v1/models")

    head, whole = run(scene)
    assert (head.status, head.raw) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.raw))


def test_a_client_that_expects_100_continue_gets_it() -> None:
    async def scene(simulator: Simulator) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(simulator))
        request = encode("POST", CHAT, chat(), (KEY, ("expect", "100-continue")))
        head, _, body = request.partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        line = await reader.readuntil(b"\r\n\r\n")
        writer.write(body)
        reply = await read(reader)
        writer.close()
        return line + str(reply.status).encode()

    assert run(scene) == b"HTTP/1.1 100 Continue\r\n\r\n200"


@pytest.mark.parametrize(("version", "header"), [(b"HTTP/1.0", ()), (b"HTTP/1.1", (("connection", "close"),))])
def test_a_client_that_wants_no_more_is_let_go(version: bytes, header: tuple[tuple[str, str], ...]) -> None:
    request = encode("POST", CHAT, chat(stream=True), (KEY, *header)).replace(b"HTTP/1.1", version)

    async def scene(simulator: Simulator) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(simulator))
        writer.write(request)
        everything = await reader.read()
        writer.close()
        return everything

    answer = run(scene)
    assert b"connection: close" in answer
    assert b"data: [DONE]" in answer


@pytest.mark.parametrize("garbage", [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00"])
def test_what_is_no_http_is_refused_and_closed(garbage: bytes) -> None:
    async def scene(simulator: Simulator) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(simulator))
        writer.write(garbage)
        answer = await reader.read()
        writer.close()
        return answer

    assert run(scene).startswith(b"HTTP/1.1 400 ")


def test_an_edge_compresses_when_asked_unless_told_not_to() -> None:
    async def scene(simulator: Simulator) -> Any:
        return (await ask(simulator, CHAT, chat(), headers={"accept-encoding": "gzip"})).headers.get("content-encoding")

    assert run(scene) == "gzip"
    assert run(scene, settings=Settings(compress=False)) is None


def test_the_journal_tells_what_was_asked_and_how_it_ended() -> None:
    async def scene(simulator: Simulator) -> tuple[Any, Reply, Any]:
        await ask(simulator, CHAT, chat(), headers={"x-mark": "1"})
        await ask(simulator, CHAT, chat(stream=True), faults="cut=mid-event")
        _, writer = await asyncio.open_connection("127.0.0.1", port(simulator))
        writer.write(encode("POST", CHAT, chat(stream=True), (KEY, ("x-simulate", "stall=600"))))
        await simulator.begun(3)
        writer.close()
        seen = (await ask(simulator, CONTROL_PATH + "?ended=3")).json
        cleared = await ask(simulator, CONTROL_PATH, method="DELETE")
        return seen, cleared, (await ask(simulator, CONTROL_PATH)).json

    seen, cleared, after = run(scene)
    assert [item["fate"] for item in seen] == ["answered", "broken", "hung_up"]
    assert [item["hung_up"] for item in seen] == [False, False, True]
    assert (seen[0]["method"], seen[0]["path"]) == ("POST", CHAT)
    assert ["x-mark", "1"] in seen[0]["headers"]
    assert msgspec.json.decode(seen[0]["body"]) == chat()
    assert (cleared.status, after) == (204, [])


def test_a_body_that_is_no_text_is_kept_in_base64() -> None:
    async def scene(simulator: Simulator) -> Any:
        await ask(simulator, CHAT, b"\xff\xfe", method="POST")
        return (await ask(simulator, CONTROL_PATH)).json[0]

    seen = run(scene)
    assert (seen["body"], seen["body_base64"], seen["body_bytes"]) == (None, "//4=", 2)


def test_the_journal_is_bounded_and_may_be_off() -> None:
    async def scene(simulator: Simulator) -> int:
        for _ in range(5):
            await ask(simulator, CHAT, chat())
        return len(simulator.requests)

    assert run(scene, settings=Settings(journal=3)) == 3
    assert run(scene, settings=Settings(journal=0)) == 0


def test_an_unknown_fault_is_answered_with_the_list_of_those_known() -> None:
    async def scene(simulator: Simulator) -> tuple[Reply, Reply]:
        return await ask(simulator, CHAT, chat(), faults="sneeze"), await ask(simulator, CHAT, chat("sim-sneeze"))

    for reply in run(scene):
        assert reply.status == 400
        assert "status, code, retry-after" in reply.json["error"]


def test_closing_drops_open_connections() -> None:
    async def scene(simulator: Simulator) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(simulator))
        writer.write(encode("POST", CHAT, chat(), (KEY, ("x-simulate", "hang"))))
        await simulator.begun(1)
        await simulator.close()
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()

    assert run(scene) == b""
