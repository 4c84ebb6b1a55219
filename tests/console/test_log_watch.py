"""Those who watch logs come: what each is told, and what it costs."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from msgspec import structs

from gantry.console import log_tail, log_watch
from gantry.console.access import identify
from gantry.console.caller import Caller
from gantry.console.log_question import Question, read_question
from gantry.console.log_watch import LogWatch, Watcher, events_of
from gantry.console.state import ConsoleState
from gantry.core.errors import Overloaded
from gantry.core.role import Role
from gantry.core.vocabulary import Environment
from gantry.home import Keyring
from gantry.store.control import ControlStore
from gantry.store.logs import LogStore
from gantry.store.sessions import end_sessions
from tests.console.conftest import NOW, Keys, log_id_at, make_log, sign_in, store_logs
from tests.postgresql import needs_sqlite

T = TypeVar("T")


class Asker:
    """Asks the store at once, and counts how often."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self.asked = 0

    async def __call__(self, question: Callable[[LogStore], T]) -> T:
        self.asked += 1
        return question(self._store)


@pytest.fixture
def asker(logs: LogStore) -> Asker:
    return Asker(logs)


def a_question(keys: Keys, key_id: str | None = None, **filters: str) -> Question:
    return read_question(
        [*filters.items()],
        b"",
        organization_id=keys.organization_id,
        key_id=key_id,
        environment=Environment.PROD,
        now=NOW,
    )


async def turns_until(condition: Callable[[], bool]) -> None:
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it does not come to that")


async def told(watcher: Watcher) -> bytes:
    return b"".join(piece.data for piece in await watcher.take(10))


@needs_sqlite
def test_each_is_told_what_it_asked_for_and_one_look_serves_all(asker: Asker, logs: LogStore, keys: Keys) -> None:
    one, other = keys.add()[0], keys.add()[0]

    async def watch() -> None:
        store_logs(logs, make_log(one, 1))  # before anybody watches
        tail = LogWatch(asker, pause=0)
        everybody = [await tail.join(a_question(keys)) for _ in range(50)]
        own = await tail.join(a_question(keys, key_id=other.id))
        filtered = await tail.join(a_question(keys, model="m"))
        store_logs(logs, make_log(one, 2, model="m"), make_log(other, 3), make_log(one, 4))
        of_all = [await told(watcher) for watcher in everybody]
        assert len(set(of_all)) == 1
        assert [log_id_at(number).encode() in of_all[0] for number in (1, 2, 3, 4)] == [False, True, True, True]
        assert of_all[0].startswith(b"id: 2\nevent: log\ndata: {")
        of_own, of_model = await told(own), await told(filtered)
        assert (of_own.count(b"event: log"), log_id_at(3).encode() in of_own) == (1, True)
        assert (of_model.count(b"event: log"), log_id_at(2).encode() in of_model) == (1, True)
        assert asker.asked <= 1 + tail.looks + 3, "a start, a look each, and three questions to what was new"
        tail.close()

    asyncio.run(watch())


def test_while_nobody_watches_nothing_is_read(asker: Asker, keys: Keys) -> None:
    async def watch() -> None:
        tail = LogWatch(asker, pause=0)
        watcher = await tail.join(a_question(keys))
        await turns_until(lambda: tail.looks > 0)
        tail.leave(watcher)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others)  # the reader ends by itself
        looks = asker.asked
        await asyncio.sleep(0)
        assert asker.asked == looks
        again = await tail.join(a_question(keys))
        assert again.start == 0
        tail.close()

    asyncio.run(watch())


@needs_sqlite
def test_who_does_not_keep_up_is_let_go_and_goes_on_from_there(
    asker: Asker, logs: LogStore, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = keys.add()[0]
    monkeypatch.setattr(log_watch, "MOST_WAITING", 100)  # bytes: the first piece is taken, however large

    async def watch() -> None:
        tail = LogWatch(asker, pause=0)
        slow, quick = await tail.join(a_question(keys)), await tail.join(a_question(keys))
        for number in (1, 2):
            store_logs(logs, make_log(key, number))
            assert log_id_at(number).encode() in await told(quick)
        await turns_until(lambda: slow.is_let_go)
        kept = await slow.take(10)
        assert [piece.last for piece in kept] == [1]
        missed, more = await tail.catch_up(a_question(keys), kept[-1].last, 2)
        assert (missed.data.count(b"event: log"), missed.last, more) == (1, 2, False)
        assert log_id_at(2).encode() in missed.data
        assert [watcher.is_let_go for watcher in (slow, quick)] == [True, False]
        tail.close()
        assert [watcher.is_let_go for watcher in (slow, quick)] == [True, True]
        with pytest.raises(Overloaded):
            await tail.join(a_question(keys))

    asyncio.run(watch())


@needs_sqlite
def test_a_lower_number_that_is_committed_later_is_told_once(asker: Asker, logs: LogStore, keys: Keys) -> None:
    key = keys.add()[0]
    store_logs(logs, *(make_log(key, number) for number in range(5)))
    hidden = {3}

    async def ask(question: Callable[[LogStore], T]) -> T:
        answer = await asker(question)
        if isinstance(answer, list) and all(isinstance(one, int) for one in answer):
            return [one for one in answer if one not in hidden]  # type: ignore[return-value]
        if isinstance(answer, tuple):
            return (2, {1, 2})  # type: ignore[return-value]
        return answer

    async def watch() -> None:
        tail = LogWatch(ask, pause=0)
        watcher = await tail.join(a_question(keys))
        first = await told(watcher)
        hidden.clear()
        second = await told(watcher)
        assert [line for line in (first + second).splitlines() if line.startswith(b"id:")] == [
            b"id: 4",
            b"id: 5",
            b"id: 3",
        ]
        tail.close()

    asyncio.run(watch())


def test_an_event_is_one_line_of_data(logs: LogStore, keys: Keys) -> None:
    log = make_log(keys.add()[0], 1, input="two\nlines\r\rand more")
    event = events_of([(7, log)], a_question(keys))
    assert event.startswith(b"id: 7\nevent: log\ndata: {")
    assert event.endswith(b"}\n\n")
    assert len(event.splitlines()) == 4


def test_one_organization_leaves_room_for_others(asker: Asker, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_watch, "MOST_OF_ONE", 1)
    ours = a_question(keys)
    theirs = structs.replace(ours, query=structs.replace(ours.query, organization_id="another"))

    async def scene() -> None:
        watch = LogWatch(asker, pause=0)
        await watch.join(ours)
        with pytest.raises(Overloaded):
            await watch.join(ours)
        await watch.join(theirs)
        watch.close()

    asyncio.run(scene())


def test_who_is_not_let_in_any_more_is_told_no_more(
    asker: Asker, logs: LogStore, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_tail, "SECONDS_OF_TRUST", 0)
    key, _ = keys.add()
    let_in = [True, False]

    async def is_still_let_in() -> bool:
        return let_in.pop(0)

    async def scene() -> list[bytes]:
        watch = LogWatch(asker, pause=0)
        question = a_question(keys)
        watcher = await watch.join(question)
        told = []
        async for event in log_tail._events(watch, watcher, question, None, is_still_let_in):
            told.append(event)
            store_logs(logs, make_log(key, len(told)))
        watch.close()
        return told

    ready, first, ended = asyncio.run(scene())
    assert (b"event: ready" in ready, b"event: log" in first) == (True, True)
    assert b'"reason":"access"' in ended


def test_a_tail_ends_with_the_session_that_began_it(
    client: TestClient, control: ControlStore, keyring: Keyring, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_tail, "SECONDS_OF_TRUST", 0)
    monkeypatch.setattr(log_tail, "SECONDS_OF_SILENCE", 0)
    person = sign_in(control, keyring, keys.organization_id, Role.VIEWER)

    async def end_and_look(request: Request, state: ConsoleState) -> Caller:
        with control.noting() as connection:
            end_sessions(connection, person.id)
        return await identify(request, state)

    monkeypatch.setattr(log_tail, "identify", end_and_look)
    told = client.get("/api/request-logs/tail", headers={"cookie": person.cookie}).text
    assert told.rstrip().endswith('data: {"reason":"access","resume_from":0}')
