"""What the alert book says of what it cannot read: once, and nothing of what is merely not there yet."""

import logging
from pathlib import Path

import pytest

from gantry.clerk.alert_book import AlertBook
from gantry.clerk.publish import Publisher
from gantry.home import Home, load_keyring
from gantry.store.control import ControlStore
from gantry.store.database import StoreUnavailable


def test_what_lasts_is_said_once_and_a_first_start_says_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home, moment = Home(tmp_path / "home"), 0.0
    home.prepare()
    keyring = load_keyring(home, create=True)
    book = AlertBook(home, keyring, home.control_db, clock=lambda: moment)

    def look(times: int = 3) -> list[str]:
        nonlocal moment
        caplog.clear()
        for _ in range(times):
            moment += 1
            book.refresh()
        return [record.getMessage() for record in caplog.records if record.name == "gantry.clerk.alert_book"]

    with ControlStore(home.control_db) as control, caplog.at_level(logging.INFO):
        assert look() == [], "no snapshot was published yet"
        home.snapshot.write_bytes(b"no snapshot")
        assert len(look()) == 1
        Publisher(home, keyring, control, {}, granted=dict).publish()
        assert look() == []
        home.snapshot.unlink()
        assert len(look()) == 1
        book._store = Broken()  # type: ignore[assignment]
        assert look() == ["alerts go by the channels that were there before: gone"]
        book._store = control
        look()
        book._store = Broken()  # type: ignore[assignment]
        assert look() == ["alerts go by the channels that were there before: gone"], "it is another time"


class Broken:
    def version(self) -> int:
        raise StoreUnavailable("gone")
