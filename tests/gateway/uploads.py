"""Forms as clients send them, and an upstream that takes bodies in whichever framing they come."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from gantry.board.board import Word
from gantry.wire.body import ChunkedBody, LengthBody
from tests.gateway.conftest import Heard, Node, Script, Upstream, json_answer

BOUNDARY = b"f00dfeedf00dfeed"
FORM_TYPE = b"Content-Type: multipart/form-data; boundary=" + BOUNDARY
URLENCODED_TYPE = b"Content-Type: application/x-www-form-urlencoded"
MISTRAL = b"User-Agent: mistral-client-python/3.7.0"
OPENAI = b"User-Agent: OpenAI/Python 3.0.0"
TRANSCRIPTIONS = "/api/v1/audio/transcriptions"
SOUND = bytes(range(256)) * 8 + b"\r\n--f00dfeedf00dfee\r\n--\r\n"  # nearly the boundary, and every byte
TRANSCRIPT = (
    b'{"model":"voxtral-mini-2507","text":"hello there","language":"en","segments":'
    b'[{"text":"hello there","start":0.5,"end":1.5}],'
    b'"usage":{"prompt_audio_seconds":2,"prompt_tokens":4,"completion_tokens":3,"total_tokens":40}}'
)
TRANSCRIBED = json_answer(TRANSCRIPT)


class Taken(NamedTuple):
    """One request as an upstream took it."""

    head: bytes
    body: bytes

    @property
    def chunked(self) -> bool:
        return b"transfer-encoding: chunked" in self.head.lower()

    @property
    def length(self) -> int | None:
        lines = self.head.lower().split(b"\r\n")
        return next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), None)


def part(name: str, value: bytes, extra: bytes = b"") -> bytes:
    """Return one part of a form: a field, or a file when `extra` names one."""
    return b'--%b\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (
        BOUNDARY,
        name.encode(),
        extra,
        value,
    )


def file(content: bytes = SOUND, name: str = "file") -> bytes:
    return part(name, content, b'; filename="a.mp3"\r\nContent-Type: audio/mpeg')


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


def chunked(data: bytes, sizes: Sequence[int] = (1, 7, 100, 3000)) -> bytes:
    """Return a body in the chunked coding, cut into pieces of these sizes in turn."""
    out, position, turn = b"", 0, 0
    while position < len(data):
        piece = data[position : position + sizes[turn % len(sizes)]]
        out += b"%x\r\n%b\r\n" % (len(piece), piece)
        position += len(piece)
        turn += 1
    return out + b"0\r\n\r\n"


def post(node: Node, body: bytes, *headers: bytes, path: str = TRANSCRIPTIONS, framing: bytes | None = None) -> bytes:
    """Return a form's request; `framing` takes the place of its Content-Length."""
    lines = (
        b"POST %b HTTP/1.1" % path.encode(),
        b"Host: gantry",
        b"Authorization: Bearer " + node.key.encode(),
        framing or b"Content-Length: %d" % len(body),
        *headers,
    )
    return b"\r\n".join((*lines, b"", body))


async def take_request(reader: asyncio.StreamReader, heard: Heard) -> Taken:
    """Read one request, however its body is framed."""
    head = await reader.readuntil(b"\r\n\r\n")
    heard.data += head
    taken = Taken(head, b"")
    framing = ChunkedBody() if taken.chunked else LengthBody(taken.length or 0)
    body = b""
    while not framing.done:
        data = await reader.read(1 << 16)
        if not data:
            raise asyncio.IncompleteReadError(body, None)
        heard.data += data
        body += framing.feed(data)
    return Taken(head, body)


def taking(answer: bytes, taken: list[Taken]) -> Script:
    """Return a script that gathers requests and gives each the same answer."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
        while True:
            taken.append(await take_request(reader, heard))
            writer.write(answer)
            await writer.drain()

    return script


async def hears(upstream: Upstream, words: bytes) -> None:
    """Wait until the upstream heard these words."""
    for _ in range(500):
        if words in upstream.heard:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"the upstream heard {len(upstream.heard)} bytes without {words[:40]!r}")


async def under_way(node: Node) -> None:
    for _ in range(500):
        if node.slot[Word.IN_FLIGHT]:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("no call begins")


async def settled(node: Node) -> None:
    for _ in range(500):
        if node.slot[Word.IN_FLIGHT] == 0:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("a call does not end")
