"""Transcripts: what a receiver hears of what an upstream says, and what becomes of the connection."""

import asyncio
from typing import cast

import pytest

from gantry.core.errors import UpstreamBroke, UpstreamUnreachable
from gantry.dial.connection import MAX_HEAD_BYTES, UpstreamConnection
from gantry.dial.outbox import Outbox
from gantry.wire.recognise import ResponseHeads
from tests.dial.loopback import FINE, Caller

EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nok"


class Wire(asyncio.Transport):
    """A transport that keeps what is written, and loses its connection when the test says so."""

    def __init__(self, connection: UpstreamConnection) -> None:
        super().__init__()
        self._connection = connection
        self.written = b""
        self.closed = False
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def end(self, error: Exception | None = None) -> None:
        self.closed = True
        self._connection.connection_lost(error)


class Keeper:
    """A pool that notes what it is given."""

    def __init__(self) -> None:
        self.kept: list[UpstreamConnection] = []
        self.forgotten: list[UpstreamConnection] = []
        self.heads = ResponseHeads()
        self.outbox = Outbox(lambda flush: flush())

    def keep(self, connection: UpstreamConnection) -> None:
        self.kept.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        self.forgotten.append(connection)


class Stage:
    """One connection with a request sent on it."""

    def __init__(self, method: str = "POST", *, complete: bool = True) -> None:
        self.keeper = Keeper()
        self.connection = UpstreamConnection(self.keeper, "upstream:443", 0.0)
        self.wire = Wire(self.connection)
        self.connection.connection_made(self.wire)
        self.caller = Caller()
        self.caller.on_connection(self.connection, 0.1)
        self.caller.ask(b"request", method, complete=complete)
        self.caller.heard.clear()

    def hear(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.connection.data_received(piece)

    @property
    def kept(self) -> bool:
        """Whether the connection went back to its pool; otherwise it must be closed."""
        kept = self.keeper.kept == [self.connection]
        assert kept is not self.wire.closed
        return kept


def test_a_request_is_sent_as_it_is() -> None:
    stage = Stage()
    assert stage.wire.written == b"request"
    assert stage.connection.uses == 1


@pytest.mark.parametrize("said", [FINE, EARLY_HINTS + CONTINUE + FINE, CHUNKED], ids=["plain", "interim", "chunked"])
def test_an_answer_cut_anywhere_is_the_same_answer(said: bytes) -> None:
    for cut in range(1, len(said)):
        stage = Stage()
        stage.hear(said[:cut], said[cut:])
        assert stage.caller.heard == ["head", "end"]
        assert (stage.caller.status, stage.caller.body) == (200, b"ok")
        assert stage.kept
    stage = Stage()
    stage.hear(*(said[at : at + 1] for at in range(len(said))))
    assert (stage.caller.heard, stage.caller.body, stage.kept) == (["head", "end"], b"ok", True)


@pytest.mark.parametrize(
    ("said", "method", "kept"),
    [
        (FINE, "POST", True),
        (CHUNKED, "POST", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "DELETE", True),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", "GET", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", "HEAD", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "GET", True),
        (FINE.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"), "POST", False),
        (FINE.replace(b"HTTP/1.1", b"HTTP/1.0"), "POST", False),
        (FINE.replace(b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK\r\nconnection: keep-alive"), "POST", True),
        (FINE + b"HTTP/1.1 200 OK\r\n", "POST", False),
        (CHUNKED + b"x", "POST", False),
        (b"HTTP/1.1 204 No Content\r\n\r\nx", "DELETE", False),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n" + FINE, "GET", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nnot wanted", "HEAD", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nx", "GET", False),
    ],
)
def test_only_a_connection_without_doubt_is_kept(said: bytes, method: str, kept: bool) -> None:
    stage = Stage(method)
    stage.hear(said)
    assert stage.caller.heard == ["head", "end"]
    assert stage.kept is kept


def test_an_answer_during_the_upload_is_passed_on_and_the_connection_closed() -> None:
    stage = Stage(complete=False)
    stage.connection.upload(b" more", last=False)
    stage.hear(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno")
    assert (stage.caller.heard, stage.caller.status, stage.caller.body) == (["head", "end"], 413, b"no")
    assert not stage.kept


def test_an_answer_that_ends_after_the_upload_keeps_the_connection() -> None:
    stage = Stage(complete=False)
    stage.hear(FINE[:-1])
    stage.connection.upload(b" more", last=False)
    stage.connection.upload(b" all", last=True)
    stage.hear(FINE[-1:])
    assert stage.wire.written == b"request more all"
    assert stage.kept


def test_back_pressure_is_passed_on_both_ways() -> None:
    stage = Stage(complete=False)
    stage.connection.pause_writing()
    stage.connection.resume_writing()
    assert stage.caller.heard == ["full", "drained"]
    stage.connection.pause_reading()
    assert not stage.wire.reading
    stage.connection.resume_reading()
    assert stage.wire.reading


SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"


def upgrading() -> Stage:
    stage = Stage()
    stage.connection.ask_upgrade(b"offer", stage.caller)
    assert stage.wire.written == b"request" + b"offer"
    return stage


def test_after_a_switch_that_was_asked_for_all_bytes_are_the_receivers() -> None:
    said = EARLY_HINTS + SWITCHING + b"\x81\x02HTTP/1.1 200 OK\r\n\r\n"
    for cut in range(1, len(said)):
        stage = upgrading()
        stage.hear(said[:cut], said[cut:])
        assert (stage.caller.heard, stage.caller.status) == (["head"], 101)
        assert stage.caller.body == b"\x81\x02HTTP/1.1 200 OK\r\n\r\n"
        stage.connection.upload(b"\x00\xff", last=False)
        assert stage.wire.written.endswith(b"offer\x00\xff")
        stage.wire.end()
        assert stage.caller.heard == ["head", "end"]
        assert not stage.keeper.kept


def test_a_switched_connection_that_breaks_is_a_fault() -> None:
    stage = upgrading()
    stage.hear(SWITCHING)
    stage.wire.end(ConnectionResetError())
    assert stage.caller.heard == ["head", "failure"]


def test_after_a_switch_that_was_refused_the_connection_is_not_kept() -> None:
    stage = upgrading()
    stage.hear(FINE)
    assert (stage.caller.heard, stage.caller.body, stage.kept) == (["head", "end"], b"ok", False)


NOT_HTTP = [
    (b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", "switched protocols unasked"),
    (b"HTTP/1.1 200 OK\r\nx: " + b"y" * MAX_HEAD_BYTES, "headers are longer than"),
    (b"HTTP/1.1 200 OK\r\nx: " + b"y" * MAX_HEAD_BYTES + b"\r\n\r\n", "headers are longer than"),
    (b"\x16\x03\x01\x02\x00\r\n\r\n", "not HTTP/1.1"),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n", "not HTTP/1.1"),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n", "not HTTP/1.1"),
]


@pytest.mark.parametrize(("said", "words"), NOT_HTTP)
@pytest.mark.parametrize("size", [1 << 20, 4096])
def test_what_is_no_answer_fails_the_call(said: bytes, words: str, size: int) -> None:
    stage = Stage()
    for at in range(0, len(said), size):
        if not stage.wire.closed:
            stage.hear(said[at : at + size])
    assert stage.caller.heard == ["failure"]
    assert isinstance(stage.caller.fault, UpstreamBroke)
    assert "upstream:443" in stage.caller.message
    assert words in stage.caller.message
    assert not stage.kept


def test_a_broken_chunk_after_the_head_fails_the_call() -> None:
    stage = Stage()
    stage.hear(CHUNKED[:-5], b"zz\r\n")
    assert stage.caller.heard == ["head", "failure"]
    assert stage.wire.closed


@pytest.mark.parametrize(
    ("said", "error", "fault", "heard"),
    [
        (b"", None, UpstreamUnreachable, ["failure"]),
        (b"", ConnectionResetError(), UpstreamUnreachable, ["failure"]),
        (FINE[:20], None, UpstreamBroke, ["failure"]),
        (CONTINUE, None, UpstreamBroke, ["failure"]),
        (FINE[:-1], None, UpstreamBroke, ["head", "failure"]),
        (CHUNKED[:-5], None, UpstreamBroke, ["head", "failure"]),
        (UNTIL_CLOSE, ConnectionResetError(), UpstreamBroke, ["head", "failure"]),
        (UNTIL_CLOSE, None, None, ["head", "end"]),
        (FINE, None, None, ["head", "end"]),
    ],
)
def test_the_end_of_the_connection(
    said: bytes, error: Exception | None, fault: type[Exception] | None, heard: list[str]
) -> None:
    stage = Stage()
    if said:
        stage.hear(said)
    stage.wire.end(error)
    assert stage.caller.heard == heard
    assert type(stage.caller.fault) is (fault or type(None))
    assert stage.keeper.forgotten == [stage.connection]
    assert not stage.connection.usable


def test_whoever_aborts_hears_nothing_more() -> None:
    stage = Stage()
    stage.hear(FINE[:-1])
    stage.connection.abort()
    stage.wire.end()
    stage.connection.pause_writing()
    stage.connection.upload(b"late", last=True)
    assert stage.caller.heard == ["head"]
    assert stage.wire.written == b"request"


def test_aborting_inside_an_answer_stops_it_there() -> None:
    class Leaving(Caller):
        def on_head(self, head: object) -> None:
            self.heard.append("head")
            assert self.connection is not None
            self.connection.abort()

    stage = Stage()
    leaving = Leaving()
    leaving.connection = stage.connection
    leaving.ask()
    stage.hear(FINE)
    assert leaving.heard == ["head"]
    assert not stage.kept


class Failing(Caller):
    """A receiver with a fault in one of its methods."""

    def __init__(self, stage: Stage, method: str) -> None:
        super().__init__()
        setattr(self, method, self._fail)
        self.connection = stage.connection
        self.ask()

    def _fail(self, *_: object) -> None:
        raise RuntimeError("out of order")


@pytest.mark.parametrize("method", ["on_head", "on_data"])
def test_a_fault_of_ours_ends_the_call_and_is_logged(method: str, caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    failing = Failing(stage, method)
    stage.hear(FINE)
    assert failing.heard[-1] == "refused"
    assert stage.wire.closed
    assert "an answer of upstream:443 failed inside the gateway" in caplog.text


def test_bytes_while_idle_close_the_connection() -> None:
    stage = Stage()
    stage.hear(FINE)
    assert stage.kept
    stage.hear(FINE)
    assert stage.wire.closed
    assert stage.caller.heard == ["head", "end"]


def test_a_connection_is_used_again_with_nothing_left_of_the_last_call() -> None:
    stage = Stage()
    for method, said, body in (("POST", CHUNKED, b"ok"), ("HEAD", FINE[:-2], b""), ("POST", FINE, b"ok")):
        caller = Caller()
        caller.on_connection(stage.connection, None)
        caller.ask(b"again", method)
        assert not stage.connection.answered
        stage.hear(said)
        assert (caller.heard, caller.body) == (["connection", "head", "end"], body)
    assert len(stage.keeper.kept) == 3
    assert cast(Wire, stage.connection.transport).written == b"requestagainagainagain"
