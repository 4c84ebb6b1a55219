"""From journals to rows: joining, crashing, rejecting, and a store that is not always there."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete

from gantry.board.board import CLERK_SLOT, Board, Slot, Word
from gantry.clerk.join import CRASHED
from gantry.clerk.record import CRASHED_SLICE, Recorder
from gantry.clerk.reject import SUFFIX
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import Outcome
from gantry.journal.frames import Direction, FrameKind, decode_payload
from gantry.journal.reader import list_incarnations
from gantry.journal.segments import encode_frame, mark_of, scan_frames, segment_name
from gantry.store.database import Apart, Database
from gantry.store.log_tables import journal_checkpoints
from gantry.store.logs import LogStore, OpenCall, RecordBatch, StoreUnavailable
from tests.clerk.samples import (
    ORGANIZATION,
    POISON,
    REQUEST,
    RESPONSE,
    STARTED_AT,
    PlainMeter,
    append,
    closed,
    log_id_of,
    open_journal,
    opened,
    part,
    posted,
)
from tests.clickhouse.homes import ask_for_logs, asks_for_logs
from tests.postgresql import held_up

NOW = STARTED_AT + 3_600_000_000_000


class House:
    """A home with a journal, a store and a board, and recorders that come and go."""

    def __init__(self, home: Path, logs_url: str | None = None) -> None:
        self.journal = home / "journal"
        self.rejected = home / "rejected"
        self.database = home / "logs.db"
        self.journal.mkdir()
        self.board = Board(home / "board")
        self.slot: Slot = self.board.slot(CLERK_SLOT)
        self._logs_url = logs_url
        address = self.database if logs_url is None else Apart(self.database, logs_url)
        self.store = LogStore(address, busy_timeout=0.01)
        self.meter = PlainMeter()

    def recorder(self, store: LogStore | None = None, max_frames: int = 1000) -> Recorder:
        return Recorder(
            self.journal,
            self.rejected,
            store or self.store,
            self.meter,
            self.slot,
            clock=lambda: NOW,
            max_frames=max_frames,
        )

    def record(self, recorder: Recorder | None = None) -> None:
        """Store all there is."""
        recorder = recorder or self.recorder()
        while recorder.run_once():
            pass

    def find(self, number: int, organization: str = ORGANIZATION) -> RequestLog:
        log = self.store.find(organization, log_id_of(number))
        assert log is not None, f"call {number} is not stored"
        return log

    def query(self, sql: str) -> list[tuple[object, ...]]:
        if self._logs_url is None and asks_for_logs(sql):
            return ask_for_logs(self.database.parent, sql)
        database = Database(self.database)  # also where logs are apart
        with database.reading() as connection:
            found = [tuple(row) for row in connection.exec_driver_sql(sql)]
        database.close()
        return found

    def count(self, table: str) -> int:
        ((count,),) = self.query(f"SELECT count(*) FROM {table}")
        assert isinstance(count, int)
        return count

    def requests_in_rollups(self) -> int:
        ((total,),) = self.query("SELECT CAST(coalesce(sum(requests), 0) AS BIGINT) FROM hour_sums")
        assert isinstance(total, int)
        return total


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.store.close()


def test_a_call_and_a_posted_log_become_rows(house: House) -> None:
    writer = open_journal(house.journal)
    append(writer, [opened(1), posted(2), closed(1)])

    house.record()

    call, log = house.find(1), house.find(2)
    assert (call.outcome, call.full_request, call.full_response) == (Outcome.SUCCESS, REQUEST, RESPONSE)
    assert log.outcome is Outcome.LOGGED
    assert house.slot[Word.RECORDS] == 2
    assert house.slot[Word.LAG] == 0
    assert house.slot[Word.HEARTBEAT] == NOW
    assert house.requests_in_rollups() == 2
    writer.close()


def test_nothing_to_do_writes_nothing(house: House) -> None:
    writer = open_journal(house.journal)
    recorder = house.recorder()

    assert not recorder.run_once()
    assert house.count("journal_checkpoints") == 0
    writer.close()


def test_captured_parts_are_put_together_in_order(house: House) -> None:
    writer = open_journal(house.journal)
    append(
        writer,
        [
            opened(1, body=b""),
            part(1, b"req", Direction.REQUEST),
            part(1, b"uest", Direction.REQUEST),
            part(1, b"one "),
            part(1, b"two "),
            closed(1, body=b"three"),
        ],
    )

    house.record()

    assert house.find(1).full_request == b"request"
    assert house.find(1).full_response == b"one two three"
    writer.close()


def test_a_long_stream_over_many_segments_and_clerks_pins_no_segment(house: House) -> None:
    writer = open_journal(house.journal, segment_bytes=8192)
    append(writer, [opened(1, stream=True)])
    said = [b"%04d " % number + b"." * 995 for number in range(100)]
    for batch in range(10):
        append(writer, [part(1, data) for data in said[batch * 10 : batch * 10 + 10]])
        append(writer, [opened(100 + batch), closed(100 + batch)])
        house.record()

        segments = list((house.journal / writer.incarnation).glob("*.seg"))
        assert len(segments) == 1
        assert house.count("open_calls") == 1
    assert house.count("open_parts") == 100
    append(writer, [closed(1, body=b"the end")])
    house.record()

    assert house.find(1).full_response == b"".join(said) + b"the end"
    assert house.count("open_calls") == house.count("open_parts") == 0
    assert house.slot[Word.RECORDS] == 11
    writer.close()


def test_a_call_that_ends_in_a_later_batch_is_completed_by_the_same_clerk_without_a_query(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, recorder = open_journal(house.journal), house.recorder()
    append(writer, [opened(1), opened(2), opened(3)])
    house.record(recorder)
    append(writer, [part(2, b"earlier ")])
    house.record(recorder)
    assert (house.count("open_calls"), house.count("open_parts")) == (3, 1)
    asked: list[set[str]] = []
    open_calls = house.store.open_calls

    def watched(*, log_ids: Collection[str]) -> list[OpenCall]:
        asked.append(set(log_ids))
        return open_calls(log_ids=log_ids)

    monkeypatch.setattr(house.store, "open_calls", watched)
    append(writer, [part(1, b"now "), closed(1, body=b"done"), closed(2, body=b"done"), closed(3, body=b"done")])
    house.record(recorder)

    assert asked == [{log_id_of(2)}], "parts are only in the store"
    assert [house.find(number).full_response for number in (1, 2, 3)] == [b"now done", b"earlier done", b"done"]
    assert house.count("open_calls") == house.count("open_parts") == 0
    writer.close()


def test_a_batch_says_whether_it_was_cut_short_and_how_many_were_stored(house: House) -> None:
    writer, recorder = open_journal(house.journal), house.recorder(max_frames=4)
    append(writer, [frame for number in range(3) for frame in (opened(number), closed(number))])
    said = [(recorder.run_once(), recorder.is_behind, recorder.stored) for _ in range(3)]
    assert said == [(True, True, 2), (True, False, 1), (False, False, 0)]
    writer.close()


def test_calls_that_a_worker_left_open_are_recorded_as_crashed(house: House) -> None:
    writer = open_journal(house.journal)
    append(writer, [opened(1), closed(1), opened(2, stream=True), part(2, b"data: half"), opened(3)])
    recorder = house.recorder()
    house.record(recorder)
    assert house.count("request_logs") == 1, "its worker lives, so a call may still end"

    append(writer, [opened(4), part(4, b"more")])
    writer.close()
    house.record(recorder)

    crashed = [house.find(number) for number in (2, 3, 4)]
    assert [log.outcome for log in crashed] == [Outcome.GATEWAY_CRASHED] * 3
    assert [log.full_response for log in crashed] == [b"data: half", b"", b"more"]
    assert all(log.error_message == CRASHED and log.content_truncated and log.status_code == 0 for log in crashed)
    assert all(log.ended_at >= log.started_at for log in crashed)
    assert list_incarnations(house.journal) == []
    assert house.count("open_calls") == house.count("open_parts") == house.count("journal_checkpoints") == 0


def test_more_crashed_calls_than_one_transaction_takes(house: House) -> None:
    writer = open_journal(house.journal)
    append(writer, [opened(number) for number in range(2 * CRASHED_SLICE + 1)])
    writer.close()

    house.record()

    assert house.requests_in_rollups() == house.count("request_logs") == 2 * CRASHED_SLICE + 1


def test_a_batch_is_made_slice_by_slice_and_its_calls_span_them(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gantry.clerk.record._AT_A_TIME", 3)
    writer = open_journal(house.journal)
    append(writer, [opened(number) for number in range(8)])
    append(writer, [part(0, b"one, "), closed(1), posted(20), part(0, b"two, "), closed(7), part(0, b"three")])
    append(writer, [closed(number) for number in (0, 2, 3, 4, 5)])

    recorder = house.recorder()
    assert recorder.run_once()

    assert (recorder.stored, house.count("open_calls")) == (8, 1)
    assert house.find(0).full_response == b"one, two, three" + RESPONSE
    append(writer, [closed(6)])
    house.record(recorder)
    assert (house.count("request_logs"), house.count("open_calls")) == (9, 0)
    writer.close()


def test_several_workers_at_once_share_the_batches(house: House) -> None:
    writers = [open_journal(house.journal) for _ in range(3)]
    for number in range(60):
        append(writers[number % 3], [opened(number), closed(number)])
    recorder = house.recorder(max_frames=8)

    house.record(recorder)

    assert house.count("request_logs") == 60
    for writer in writers:
        writer.close()


def test_the_same_frames_read_again_are_counted_once(house: House) -> None:
    writer = open_journal(house.journal)
    append(writer, [opened(1), closed(1), posted(2), opened(3), part(3, b"x")])
    house.record()
    with house.store.writing() as connection:
        connection.execute(delete(journal_checkpoints))

    house.record(house.recorder())
    append(writer, [closed(3)])
    house.record(house.recorder())

    assert house.count("request_logs") == house.requests_in_rollups() == house.slot[Word.RECORDS] == 3
    assert house.find(3).full_response == b"x" + RESPONSE
    writer.close()


def test_a_locked_store_loses_nothing_and_is_not_metered_for_twice(house: House) -> None:
    writer = open_journal(house.journal, segment_bytes=4096)
    append(writer, [frame for number in range(20) for frame in (opened(number), closed(number))])
    recorder = house.recorder()
    with held_up(house.database, "journal_checkpoints"):
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                recorder.run_once()
        assert house.slot[Word.LAG] == 40
        segments = list((house.journal / writer.incarnation).glob("*.seg"))
        assert len(segments) > 2, "nothing is deleted before it is stored"

    house.record(recorder)

    assert house.count("request_logs") == 20
    assert house.meter.calls == 20
    assert house.slot[Word.LAG] == 0
    assert len(list((house.journal / writer.incarnation).glob("*.seg"))) == 1
    writer.close()


class Refusing(LogStore):
    """A store that refuses rows whose user agent says so."""

    def __init__(self, path: Path, refuses: Callable[[RequestLog], bool]) -> None:
        super().__init__(path)
        self._refuses = refuses

    def record(self, batch: RecordBatch) -> set[str]:
        if any(self._refuses(log) for log in batch.logs):
            raise ValueError("this row is not for me")
        return super().record(batch)


def test_a_row_that_the_store_refuses_is_rejected_alone(house: House) -> None:
    writer = open_journal(house.journal)
    append(writer, [frame for number in range(30) for frame in (opened(number), closed(number))])
    append(writer, [opened(99)])
    store = Refusing(house.database, lambda log: log.log_id == log_id_of(17) and log.full_request is not None)

    house.record(house.recorder(store))

    rejected = house.find(17)
    assert (rejected.outcome, rejected.full_request) == (Outcome.SUCCESS, None)
    assert "the store refused it: ValueError at test_record.py:" in (rejected.error_message or "")
    assert house.count("request_logs") == house.requests_in_rollups() == house.slot[Word.RECORDS] == 30
    assert house.slot[Word.RECORDS_REJECTED] == 1
    assert house.count("open_calls") == 1
    assert house.count("journal_checkpoints") == 1
    assert read_rejected(house) == [opened(17), closed(17)]
    store.close()
    writer.close()


def test_a_store_that_refuses_everything_makes_the_clerk_wait(house: House) -> None:
    writer = open_journal(house.journal)
    append(writer, [opened(1), closed(1), opened(2), closed(2)])
    broken = [True]
    store = Refusing(house.database, lambda _: broken[0])
    recorder = house.recorder(store)
    for _ in range(2):
        with pytest.raises(ValueError, match="not for me"):
            recorder.run_once()
    assert house.count("request_logs") == 0

    broken[0] = False
    house.record(recorder)

    assert house.find(1).full_request == REQUEST
    assert house.find(2).full_request == REQUEST
    assert house.slot[Word.RECORDS_REJECTED] == 0
    store.close()
    writer.close()


def read_rejected(house: House) -> list[object]:
    frames = []
    for path in sorted(house.rejected.glob(f"*{SUFFIX}")):
        found, _ = scan_frames(path.read_bytes(), mark_of(path.stem, 0), 0, 1000)
        frames += [decode_payload(FrameKind(raw.kind), raw.payload) for raw in found]
    return list(frames)


def test_what_cannot_be_metered_becomes_a_minimal_row(house: House) -> None:
    writer = open_journal(house.journal)
    append(
        writer,
        [
            opened(1),
            closed(1),
            opened(2),
            closed(2, body=POISON),
            posted(3, POISON),
            opened(4),
            part(4, POISON),
            closed(4),
        ],
    )

    house.record()

    assert house.find(1).full_request == REQUEST
    for number in (2, 3, 4):
        log = house.find(number)
        assert "metering failed: KeyError at samples.py:" in (log.error_message or "")
        assert (log.full_request, log.full_response, log.input, log.cost) == (None, None, None, None)
    assert house.find(2).outcome is Outcome.SUCCESS
    assert house.slot[Word.RECORDS] == 4
    assert house.slot[Word.RECORDS_REJECTED] == 3
    frames = read_rejected(house)
    assert len(frames) == 6
    assert all(frame in frames for frame in (closed(2, body=POISON), posted(3, POISON), part(4, POISON), closed(4)))
    writer.close()


def test_unreadable_frames_are_set_aside_and_open_ones_get_a_row(house: House) -> None:
    folder = house.journal / ("0" * 32)
    folder.mkdir()
    mark = mark_of("0" * 32, 1)
    unreadable = [
        encode_frame(FrameKind.CALL_OPENED, b"\x92\xa3one\xa3org", mark),  # fields are missing
        encode_frame(FrameKind.LOG_POSTED, b"\xc1 no msgpack", mark),
        encode_frame(FrameKind.CALL_CLOSED, b"\x91\xa3one", mark),
        encode_frame(77, b"a kind of a later version", mark),
    ]
    (folder / segment_name(1)).write_bytes(b"".join(unreadable))

    house.record()

    rows = house.query("SELECT log_id, organization_id, outcome FROM request_logs ORDER BY organization_id DESC")
    assert rows[0] == ("one", "org", "gateway_error")
    assert rows[1][1:] == ("", "gateway_error")
    assert len(rows) == 2
    assert house.slot[Word.RECORDS_REJECTED] == 4
    assert len(list(house.rejected.glob(f"*{SUFFIX}"))) == 4
    assert list_incarnations(house.journal) == []


def test_the_end_of_a_call_whose_open_frame_is_lost_is_recorded(house: House) -> None:
    writer = open_journal(house.journal)
    append(writer, [closed(1)])

    house.record()

    log = house.find(1, organization="")
    assert (log.outcome, log.status_code) == (Outcome.SUCCESS, 200)
    assert "its open frame is lost" in (log.error_message or "")
    assert read_rejected(house) == [closed(1)]
    writer.close()


def test_a_checkpoint_without_a_journal_is_forgotten(house: House) -> None:
    house.store.record(RecordBatch(checkpoints={"gone": (3, 77)}))

    house.record()

    assert house.count("journal_checkpoints") == 0


def test_a_clerk_goes_on_where_its_predecessor_stopped(house: House) -> None:
    writer = open_journal(house.journal)
    append(writer, [opened(1), opened(2), part(2, b"begun ")])
    house.record(house.recorder())
    append(writer, [closed(1), closed(2, body=b"and done")])

    house.record(house.recorder())

    assert house.find(1).full_response == RESPONSE
    assert house.find(2).full_response == b"begun and done"
    assert house.count("request_logs") == 2
    writer.close()
