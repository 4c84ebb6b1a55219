"""Who waits for a new version of the configuration hears of it, on both engines, whenever it comes."""

import threading
from collections.abc import Iterator

import pytest

from gantry.store.control import ControlStore
from gantry.store.listening import Listener

LONG = 3600.0  # seconds: that a wait ends at all says that it was told


@pytest.fixture
def listener(control: ControlStore) -> Iterator[Listener]:
    listener = control.listener()
    listener.wait(0)
    yield listener
    listener.close()


def change(control: ControlStore) -> None:
    with control.changing():
        pass


def test_a_version_that_came_before_the_wait_ends_it(control: ControlStore, listener: Listener) -> None:
    change(control)
    waiting = threading.Thread(target=listener.wait, args=(LONG,), daemon=True)
    waiting.start()
    waiting.join(60)
    assert not waiting.is_alive()


def test_a_version_that_comes_meanwhile_ends_the_wait(control: ControlStore, listener: Listener) -> None:
    for _ in range(2):
        waiting = threading.Thread(target=listener.wait, args=(LONG,), daemon=True)
        waiting.start()
        change(control)
        waiting.join(60)
        assert not waiting.is_alive()


def test_a_wait_ends_without_a_version_too(control: ControlStore, listener: Listener) -> None:
    before = control.version()
    listener.wait(0.001)
    assert control.version() == before
