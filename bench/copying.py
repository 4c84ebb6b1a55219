"""What a body costs that is received, kept and sent on: `python -m bench.copying CPU PEER_CPU FOLDER`.

Law: the same work that a relay with a journal cannot do without, by the plainest loop there is: read a body from one
TCP connection, write it once to a preallocated file that a thread syncs as the journal's does, send it on another
connection. Nothing is parsed, checked or routed. It takes a job a line on stdin, `BYTES SECONDS`, and answers each with
the nanoseconds of CPU, of all its threads, that a body took. It ends when its standard input does.
"""

import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Final

_READ: Final = 256 * 1024  # as uvloop reads
_SEGMENT: Final = 16 << 20  # as the journal's
_SYNC_EVERY: Final = 0.05


class Segments:
    """Files of one size, one after the other; what is full is deleted, as by a clerk that keeps up."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._offset = 0
        self._fd = self._open()

    def append(self, body: memoryview) -> None:
        if self._offset + len(body) > _SEGMENT:
            os.close(self._fd)
            (self._folder / str(self._number)).unlink()
            self._number += 1
            self._offset = 0
            self._fd = self._open()
        self._offset += os.pwrite(self._fd, body, self._offset)

    def sync(self) -> None:
        try:
            os.fdatasync(self._fd)
        except OSError:  # closed this moment
            return

    def _open(self) -> int:
        fd = os.open(self._folder / str(self._number), os.O_RDWR | os.O_CREAT, 0o600)
        os.posix_fallocate(fd, 0, _SEGMENT)
        return fd


def pass_on(source: socket.socket, target: socket.socket, segments: Segments, size: int, seconds: float) -> float:
    """Return the nanoseconds of CPU a body of `size` bytes takes."""
    body = memoryview(bytearray(size))
    count, ends, began = 0, time.monotonic() + seconds, time.process_time_ns()
    while time.monotonic() < ends:
        source.sendall(b"\x01" + size.to_bytes(7, "big"))  # asks for one
        place = 0
        while place < size:
            place += source.recv_into(body[place:], min(_READ, size - place))
        segments.append(body)
        target.sendall(body)
        count += 1
    return (time.process_time_ns() - began) / count


def serve_peer(source: socket.socket, target: socket.socket) -> None:
    """Send a body for each that is asked for, and read it again."""
    sink = bytearray(_READ)
    while wish := source.recv(8, socket.MSG_WAITALL):
        size = int.from_bytes(wish[1:], "big")
        source.sendall(bytes(size))
        while size:
            size -= target.recv_into(sink, min(_READ, size))


def _connect() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    for end in (ours, theirs):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ours, theirs


def main() -> None:
    cpu, peer_cpu, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    folder.mkdir(exist_ok=True)
    (source, their_source), (target, their_target) = _connect(), _connect()
    if os.fork() == 0:
        source.close()
        target.close()
        os.sched_setaffinity(0, {peer_cpu})
        serve_peer(their_source, their_target)
        os._exit(0)
    their_source.close()
    their_target.close()
    os.sched_setaffinity(0, {cpu})
    segments, ended = Segments(folder), threading.Event()

    def keep_synced() -> None:
        while not ended.wait(_SYNC_EVERY):
            segments.sync()

    threading.Thread(target=keep_synced, daemon=True).start()
    for line in sys.stdin:
        size, seconds = line.split()
        print(round(pass_on(source, target, segments, int(size), float(seconds))), flush=True)
    ended.set()


if __name__ == "__main__":
    main()
