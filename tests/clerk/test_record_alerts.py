"""The recorder and what is told: with the rows or not at all, looked at once, and never in the way of a record."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import delete

from gantry.clerk.record import Recorder
from gantry.core.alert import Alert, Event
from gantry.core.request_log import RequestLog
from gantry.store.alert_channels import Channel, ChannelKind
from gantry.store.alerts import Outbox, alerts_of, deliveries_of
from gantry.store.log_tables import journal_checkpoints
from gantry.store.logs import LogStore, StoreUnavailable
from tests.clerk.samples import ORGANIZATION, append, closed, log_id_of, open_journal, opened
from tests.clerk.test_record import NOW, House, Refusing
from tests.postgresql import held_up

LISTENING = Channel(
    id="c",
    organization_id=ORGANIZATION,
    name="c",
    kind=ChannelKind.WEBHOOK,
    target="",
    events=(Event.REQUEST_LOG, Event.ZERO_COST),
)


class Watcher:
    """Tells of each log it sees."""

    def __init__(self, *, fails: bool = False) -> None:
        self.seen: list[str] = []
        self._fails = fails

    def look_at(self, logs: Sequence[RequestLog]) -> Outbox:
        self.seen.extend(log.log_id for log in logs)
        if self._fails:
            raise ValueError("canary")
        alerts = [
            Alert(organization_id=ORGANIZATION, event=Event.ZERO_COST, subject=log.log_id, message="", data={})
            for log in logs
        ]
        return Outbox(alerts, (LISTENING,), NOW)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    writer = open_journal(house.journal)
    append(writer, [frame for number in range(3) for frame in (opened(number), closed(number))])
    yield house
    writer.close()
    house.store.close()


def recorder_of(house: House, watcher: Watcher, store: LogStore | None = None) -> Recorder:
    return Recorder(
        house.journal,
        house.rejected,
        store or house.store,
        house.meter,
        house.slot,
        clock=lambda: NOW,
        watcher=watcher,
    )


def told(house: House) -> tuple[list[str], list[str]]:
    """Return the subjects of the alerts, and the logs that are to be posted."""
    with house.store.reading() as connection:
        alerts = sorted(one.subject for one in alerts_of(connection, ORGANIZATION, 100))
        deliveries = deliveries_of(connection, ORGANIZATION, 100)
    return alerts, sorted(one.payload for one in deliveries if one.event == Event.REQUEST_LOG)


ALL = [log_id_of(number) for number in range(3)]


def test_a_store_that_is_away_has_a_batch_looked_at_once_and_told_with_its_rows(house: House) -> None:
    watcher = Watcher()
    recorder = recorder_of(house, watcher)
    with held_up(house.database, "journal_checkpoints"):
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                recorder.run_once()
    assert told(house) == ([], [])
    house.record(recorder)
    assert watcher.seen == ALL
    assert told(house) == (ALL, ALL)


def test_frames_that_are_read_again_are_told_once(house: House) -> None:
    house.record(recorder_of(house, Watcher()))
    with house.store.writing() as connection:
        connection.execute(delete(journal_checkpoints))
    house.record(recorder_of(house, Watcher()))
    assert told(house) == (ALL, ALL)
    assert house.count("deliveries") == 6


def test_a_watcher_that_fails_holds_up_no_record(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.record(recorder_of(house, Watcher(fails=True)))
    assert house.count("request_logs") == 3
    assert told(house) == ([], [])
    assert "nobody is told of a batch of 3 rows: ValueError" in caplog.text
    assert "canary" not in caplog.text


def test_a_row_that_is_refused_is_told_in_its_minimal_form_and_the_others_as_they_are(house: House) -> None:
    store = Refusing(house.database, lambda log: log.log_id == ALL[1] and log.full_request is not None)
    house.record(recorder_of(house, Watcher(), store))
    assert house.count("request_logs") == 3
    assert told(house) == ([], ALL)
    store.close()
