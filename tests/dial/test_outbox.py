"""Laws of the outbox: order is kept, nothing is written late or twice, and what is closing gets nothing."""

import asyncio
import os
import threading
from collections.abc import Callable

import pytest

from gantry.dial.outbox import Outbox, count_sleeps


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


def test_a_loop_that_finds_time_to_sleep_writes_straight_out() -> None:
    scheduled: list[Callable[[], None]] = []
    sleeps = 0
    outbox = Outbox(scheduled.append, lambda: sleeps)
    wire = Wire()
    sent = [b"%d" % number for number in range(1000)]
    waited = []
    for number, data in enumerate(sent):
        sleeps += number % 20 == 0
        outbox.post(wire, data)
        if scheduled:
            waited.append(number)
        while scheduled:
            scheduled.pop()()
    assert wire.written == sent
    # It is known after 256 writes, and looked at again with the first that follow 256 more.
    assert waited == [*range(256), 512, 769]


def test_a_busy_loop_gathers_again() -> None:
    scheduled: list[Callable[[], None]] = []
    sleeps = 0
    outbox = Outbox(scheduled.append, lambda: sleeps)
    wire = Wire()
    waited = []
    for number in range(1000):
        sleeps += number < 500
        outbox.post(wire, b"%d" % number)
        if scheduled:
            waited.append(number)
        while scheduled:
            scheduled.pop()()
    assert waited == [*range(256), 512, *range(769, 1000)]


def test_this_thread_is_seen_to_sleep() -> None:
    before = count_sleeps()
    reading, writing = os.pipe()
    wake = threading.Timer(0.01, os.write, (writing, b"."))
    wake.start()
    os.read(reading, 1)
    wake.join()
    os.close(reading)
    os.close(writing)
    assert count_sleeps() > before


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


def test_what_is_posted_while_the_box_is_emptied_keeps_its_place() -> None:
    scheduled: list[Callable[[], None]] = []
    sleeps = iter(range(0, 10_000, 100))  # with time to sleep, always
    outbox = Outbox(scheduled.append, lambda: next(sleeps))

    class Echoing(Wire):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            super().write(data)
            if data == b"255":
                outbox.post(self, b"echo")

    wire = Echoing()
    for number in range(256):
        outbox.post(wire, b"%d" % number)
        while len(scheduled) > (number == 255):
            scheduled.pop(0)()
    scheduled.pop(0)()
    outbox.post(wire, b"after")
    while scheduled:
        scheduled.pop(0)()
    assert wire.written[-3:] == [b"255", b"echo", b"after"]
