"""Laws of the outbox: order is kept, nothing is written late or twice, and what is closing gets nothing."""

import asyncio
from collections.abc import Callable

import pytest

from gantry.dial.outbox import Outbox


class Wire(asyncio.WriteTransport):
    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closing


def box() -> tuple[Outbox, list[Callable[[], None]]]:
    scheduled: list[Callable[[], None]] = []
    return Outbox(scheduled.append), scheduled


def test_writes_wait_for_the_loop_and_keep_their_order() -> None:
    outbox, scheduled = box()
    first, second = Wire(), Wire()
    for wire, data in ((first, b"1"), (second, b"2"), (first, b"3")):
        outbox.post(wire, data)
    assert (first.written, second.written, len(scheduled)) == ([], [], 1)
    scheduled[0]()
    assert (first.written, second.written) == ([b"1", b"3"], [b"2"])
    outbox.post(first, b"4")
    assert len(scheduled) == 2


def test_a_crowd_does_not_wait() -> None:
    outbox, scheduled = box()
    wire = Wire()
    for number in range(40):
        outbox.post(wire, b"%d" % number)
    assert wire.written == [b"%d" % number for number in range(32)]
    for flush in scheduled:
        flush()
    assert wire.written == [b"%d" % number for number in range(40)]


def test_writes_that_are_alone_again_and_again_go_straight_out_for_a_while() -> None:
    outbox, scheduled = box()
    wire = Wire()
    sent = [b"%d" % number for number in range(200)]
    waited = 0
    for data in sent:
        outbox.post(wire, data)
        waited += len(scheduled)
        while scheduled:
            scheduled.pop()()
    assert wire.written == sent
    assert waited == 4 + 4 + 4 + 4  # before each 60, and at the end
    for data in (b"a", b"b"):
        outbox.post(wire, data)
    assert wire.written[200:] == [b"a", b"b"]


def test_writes_that_come_together_never_go_straight_out() -> None:
    outbox, scheduled = box()
    wire = Wire()
    for _ in range(100):
        outbox.post(wire, b"1")
        outbox.post(wire, b"2")
        assert len(scheduled) == 1
        scheduled.pop()()


def test_what_is_large_goes_at_once_behind_what_came_before() -> None:
    outbox, _ = box()
    wire = Wire()
    large = bytes(20_000)
    outbox.post(wire, b"1")
    outbox.post(wire, large)
    assert wire.written == [b"1", large]


def test_one_connection_that_fails_does_not_take_what_others_wrote(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Wire):
        aborted = False

        def write(self, data: bytes | bytearray | memoryview) -> None:
            raise RuntimeError("the handler is closed")

        def abort(self) -> None:
            self.aborted = True

    outbox, scheduled = box()
    broken, wire = Broken(), Wire()
    outbox.post(broken, b"1")
    outbox.post(wire, b"2")
    scheduled[0]()
    assert (broken.aborted, wire.written) == (True, [b"2"])
    assert "could not be written to" in caplog.text


def test_what_is_closing_gets_nothing() -> None:
    outbox, scheduled = box()
    wire = Wire()
    outbox.post(wire, b"1")
    wire.closing = True
    scheduled[0]()
    assert wire.written == []
