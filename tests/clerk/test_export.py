"""The export of logs as spans: at least once, in order, past a receiver that is gone, slow to take, or refuses."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gantry.board.board import CLERK_SLOT, Board, Slot, Word
from gantry.clerk import export
from gantry.clerk.export import Exporter
from gantry.clerk.post import PostFailed
from gantry.core.secret import Secret
from gantry.dial.otlp_receiver import read_endpoint, read_headers
from gantry.dialects.otlp.protobuf_message import read_protobuf
from gantry.store.logs import LogStore, RecordBatch
from tests.store.logs_of_tests import make_log

SECOND = 1_000_000_000


class Clock:
    now = 1_000 * SECOND

    def __call__(self) -> int:
        return self.now


class Collector:
    """Takes what it is sent, unless `answer` has a status for it."""

    def __init__(self) -> None:
        self.answer: Callable[[list[str]], int | None] = lambda _: None
        self.taken: list[str] = []
        self.asked = 0

    def take(self, body: bytes) -> None:
        self.asked += 1
        (batch,) = read_protobuf(gzip.decompress(body))
        ids = [str(span.attributes["gantry.log_id"]) for span in batch.spans]
        status = self.answer(ids)
        if status is not None:
            raise PostFailed("the collector answered so", status)
        self.taken += ids


class Clerk:
    """A store, a board, and exporters that come and go."""

    def __init__(self, folder: Path) -> None:
        self.logs = LogStore(folder / "logs.db")
        self.slot: Slot = Board(folder / "board").slot(CLERK_SLOT)
        self.collector = Collector()
        self.clock = Clock()
        self.store("9")  # of before: on PostgreSQL, the first number of a day is waited for

    def exporter(self, holder: str = "here") -> Exporter:
        return Exporter(
            self.logs,
            lambda ids: dict.fromkeys(ids, "a key"),
            self.collector,
            self.slot,
            holder,
            content=False,
            clock=self.clock,
            draw=lambda: 0.5,
        )

    def store(self, *names: str) -> None:
        self.logs.record(RecordBatch(logs=[make_log(name * 32) for name in names]))

    def wait(self, exporter: Exporter) -> None:
        """Let an exporter look ten seconds later, and again ten after that: what was the newest then is settled."""
        for _ in range(2):
            self.clock.now += 10 * SECOND
            exporter.step()

    @property
    def taken(self) -> str:
        return "".join(name[0] for name in self.collector.taken)


@pytest.fixture
def clerk(tmp_path: Path) -> Iterator[Clerk]:
    clerk = Clerk(tmp_path)
    yield clerk
    clerk.logs.close()


def test_what_is_stored_from_now_on_is_exported_once(clerk: Clerk) -> None:
    clerk.store("0")
    exporter = clerk.exporter()
    assert not exporter.step()
    clerk.store("a", "b")
    exporter.step()
    assert (clerk.taken, clerk.slot[Word.LOGS_EXPORTED], clerk.slot[Word.EXPORT_LAG]) == ("ab", 2, 0)
    assert not exporter.step()
    clerk.store("c")
    clerk.exporter().step()
    assert clerk.taken == "abc"


def test_a_receiver_that_is_gone_is_a_lag_and_is_asked_ever_more_rarely(clerk: Clerk) -> None:
    exporter = clerk.exporter()
    exporter.step()
    clerk.store("a", "b")
    clerk.collector.answer = lambda _: 503
    asked = []
    for second in range(40):
        clerk.clock.now = 1_000 * SECOND + second * SECOND
        exporter.step()
        asked.append(clerk.collector.asked)
    assert clerk.collector.asked == 6  # at once, then after 1, 2, 4, 8 and 16 seconds
    assert (clerk.taken, clerk.slot[Word.EXPORT_LAG], clerk.slot[Word.EXPORT_FAULTS]) == ("", 2, 6)
    assert (clerk.slot[Word.EXPORTS_FAILED], clerk.slot[Word.EXPORTED_AT]) == (6, 0)
    clerk.collector.answer = lambda _: None
    clerk.exporter().step()  # another one, that was started meanwhile
    assert (clerk.taken, clerk.slot[Word.EXPORTS_DROPPED]) == ("ab", 0)
    assert (clerk.slot[Word.EXPORTS_FAILED], clerk.slot[Word.EXPORTED_AT]) == (0, clerk.clock.now)


def test_one_log_that_is_refused_for_good_is_left_out_alone(clerk: Clerk) -> None:
    exporter = clerk.exporter()
    exporter.step()
    clerk.store(*"abcde")
    clerk.collector.answer = lambda ids: 400 if "d" * 32 in ids else None
    exporter.step()
    assert (clerk.taken, clerk.slot[Word.EXPORTS_DROPPED], clerk.slot[Word.LOGS_EXPORTED]) == ("abce", 1, 4)
    assert not exporter.step()


def test_a_wrong_key_of_the_receiver_drops_nothing(clerk: Clerk) -> None:
    exporter = clerk.exporter()
    exporter.step()
    clerk.store("a")
    clerk.collector.answer = lambda _: 401
    exporter.step()
    assert (clerk.slot[Word.EXPORTS_DROPPED], clerk.slot[Word.EXPORT_LAG]) == (0, 1)


def test_requests_are_bounded(clerk: Clerk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MOST_LOGS", 4)
    monkeypatch.setattr(export, "MOST_BYTES", 1)
    exporter = clerk.exporter()
    exporter.step()
    clerk.store(*"abcdef")
    assert exporter.step()
    assert (clerk.taken, clerk.collector.asked, clerk.slot[Word.EXPORT_LAG]) == ("abcd", 4, 2)
    assert not exporter.step()
    assert clerk.taken == "abcdef"


def test_who_dies_before_the_mark_moves_has_it_sent_again(clerk: Clerk, monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = clerk.exporter()
    exporter.step()
    clerk.store("a")
    with monkeypatch.context() as patch:
        patch.setattr(export, "advance", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            exporter.step()
    clerk.exporter().step()
    assert clerk.taken == "aa"


def test_of_several_clerks_one_exports(clerk: Clerk) -> None:
    here, there = clerk.exporter("here"), clerk.exporter("there")
    for exporter in (here, there):
        exporter.step()
    clerk.store("a")
    here.step()
    clerk.store("b")
    there.step()
    assert clerk.taken == "a"
    clerk.clock.now += 61 * SECOND
    there.step()
    assert clerk.taken == "ab"


def test_a_number_that_another_writer_may_have_under_way_is_waited_for(
    clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LogStore, "has_other_writers", True)
    exporter = clerk.exporter()
    exporter.step()
    clerk.store("a", "b", "c")
    clerk.logs.delete(make_log("").organization_id, None, "b" * 32)
    exporter.step()
    exporter.step()
    assert clerk.taken == "a"
    clerk.wait(exporter)
    assert clerk.taken == "ac"


def test_many_numbers_that_never_come_are_waited_for_together(clerk: Clerk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LogStore, "has_other_writers", True)
    exporter = clerk.exporter()
    exporter.step()
    clerk.store(*"abcdef0")
    for name in "bdf":
        clerk.logs.delete(make_log("").organization_id, None, name * 32)
    exporter.step()
    assert clerk.taken == "a"
    clerk.wait(exporter)
    assert clerk.taken == "ace0"
    clerk.store(*"123")
    clerk.logs.delete(make_log("").organization_id, None, "2" * 32)
    exporter.step()
    assert clerk.taken == "ace01"


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("http://127.0.0.1:4318", "127.0.0.1", "/v1/traces"),
        ("https://collector.example.com/otlp/v1/traces?a=b", "collector.example.com", "/otlp/v1/traces?a=b"),
    ],
)
def test_an_endpoint_without_a_path_is_a_collectors(url: str, host: str, target: str) -> None:
    read = read_endpoint(url)
    assert (read.origin.host, read.target) == (host, target)


def test_headers_are_as_opentelemetry_has_them() -> None:
    assert read_headers(None) == ()
    assert read_headers(Secret("x-key=a%20b, authorization=Basic%20eA==")) == (
        ("x-key", "a b"),
        ("authorization", "Basic eA=="),
    )
    for wrong in ("x-key", "a b=c", "x=a%0d%0ab"):
        with pytest.raises(ValueError, match="otlp_headers"):
            read_headers(Secret(wrong))


@pytest.mark.parametrize(
    "name",
    ["host", "Host", "h%6fst", "content-length", "Transfer-Encoding", "connection", "TE", "upgrade", "content-type"],
)
def test_headers_say_nothing_of_how_we_ask(name: str) -> None:
    with pytest.raises(ValueError, match="otlp_headers cannot set") as refused:
        read_headers(Secret(f"x-key=a,{name}=canary"))
    assert "canary" not in str(refused.value)
