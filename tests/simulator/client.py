"""A small HTTP client over h11, a parser that neither the simulator nor the gateway uses."""

import asyncio
import gzip
import zlib
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import brotli
import h11
import msgspec
from msgspec import Struct, field

from gantry.simulator import Simulator

KEY = ("authorization", "Bearer sk-simulated")
QUESTION = [{"role": "user", "content": "Hello, Mistral!"}]


class Reply(Struct):
    """What came back, as far as it came; `broken` says how the connection failed the parser."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes = b""
    informational: list[int] = field(default_factory=list)
    trailers: dict[str, str] = field(default_factory=dict)
    broken: str = ""

    @property
    def body(self) -> bytes:
        match self.headers.get("content-encoding"):
            case "gzip":
                return zlib.decompressobj(31).decompress(self.raw) if self.broken else gzip.decompress(self.raw)
            case "br":
                decoded: bytes = brotli.decompress(self.raw)
                return decoded
            case _:
                return self.raw

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def events(self) -> list[Any]:
        """The JSON of each event's data, `[DONE]` left out."""
        blocks = self.body.replace(b"\r\n", b"\n").split(b"\n\n")
        data = [line[6:] for block in blocks for line in block.split(b"\n") if line.startswith(b"data: ")]
        return [msgspec.json.decode(item) for item in data if item != b"[DONE]"]


def run(scene: Callable[[Simulator], Coroutine[Any, Any, Any]], **options: Any) -> Any:
    """Play a scene with a simulator of its own."""

    async def play() -> Any:
        async with Simulator(**options) as simulator:
            return await scene(simulator)

    return asyncio.run(asyncio.wait_for(play(), 30))


def port(simulator: Simulator) -> int:
    return int(simulator.url.rpartition(":")[2])


def encode(method: str, target: str, body: Any = None, headers: tuple[tuple[str, str], ...] = (KEY,)) -> bytes:
    """Return the bytes of one request."""
    data = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
    fields = (("host", "simulator"), *headers, *((("content-length", str(len(data))),) if data else ()))
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields)
    return head.encode() + b"\r\n" + data


async def ask(
    simulator: Simulator,
    target: str,
    body: Any = None,
    *,
    method: str = "",
    headers: Mapping[str, str] | None = None,
    faults: str = "",
    key: str = "sk-simulated",
) -> Reply:
    """Send one request on a connection of its own and read all of the answer."""
    verb = method or ("GET" if body is None else "POST")
    extra = {**({"x-simulate": faults} if faults else {}), **(headers or {})}
    reader, writer = await asyncio.open_connection("127.0.0.1", port(simulator))
    try:
        given = (("authorization", f"Bearer {key}"),) if key else ()
        writer.write(encode(verb, target, body, (*given, *extra.items())))
        return await read(reader, verb)
    finally:
        writer.close()


async def read(reader: asyncio.StreamReader, method: str = "POST") -> Reply:
    """Read one answer."""
    parser, reply = h11.Connection(h11.CLIENT, max_incomplete_event_size=1024 * 1024), Reply()
    parser.send(h11.Request(method=method, target="/", headers=[("host", "simulator")]))
    parser.send(h11.EndOfMessage())
    while True:
        try:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                parser.receive_data(await reader.read(65536))
                continue
        except (h11.RemoteProtocolError, ConnectionError) as error:
            reply.broken = type(error).__name__
            return reply
        match event:
            case h11.InformationalResponse():
                reply.informational.append(event.status_code)
            case h11.Response():
                reply.status = event.status_code
                reply.headers = {name.decode(): value.decode() for name, value in event.headers}
            case h11.Data():
                reply.raw += event.data
            case h11.EndOfMessage():
                reply.trailers = {name.decode(): value.decode() for name, value in event.headers}
                return reply
            case _:
                reply.broken = type(event).__name__
                return reply


def chat(model: str = "mistral-small-latest", **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": QUESTION, **fields}
