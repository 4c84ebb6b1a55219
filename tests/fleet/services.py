"""What the machines of a fleet share, each on an address of its own: PostgreSQL, Redis, and providers."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.board.test_shared_counters import SERVER
from tests.e2e.node import Server, await_true
from tests.fleet.network import DATABASE, PROVIDERS, REDIS

PORT: Final = 5432
_AT_ONCE: Final = 1 << 16


@contextmanager
def reached_by_network(socket: Path) -> Iterator[None]:
    """Let a server be reached on the database's address that listens on a socket of the file system, as the wheel's."""
    ready, over = threading.Event(), threading.Event()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_AT_ONCE):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_unix_connection(str(socket))
        except OSError:
            writer.close()
            return
        await asyncio.gather(pass_on(reader, back), pass_on(there, writer))

    async def serve() -> None:
        async with await asyncio.start_server(welcome, DATABASE, PORT):
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield
    finally:
        over.set()


class Redis:
    """A real server with nothing on the disk, that can be frozen."""

    def __init__(self, log: Path) -> None:
        assert SERVER is not None
        command = (SERVER, "--bind", REDIS, "--port", "6379", "--save", "", "--appendonly", "no")
        with log.open("ab") as said:
            self.process = subprocess.Popen(
                (*command, "--protected-mode", "no", "--maxmemory-policy", "noeviction"), stdout=said, stderr=said
            )
        await_true(lambda: b"Ready to accept" in log.read_bytes(), "Redis")

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def start_providers(log: Path) -> Server:
    command = (sys.executable, "-m", "gantry.simulator", "--host", PROVIDERS, "--port", "0", "--journal", "200000")
    return Server(command, log)
