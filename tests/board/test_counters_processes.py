"""The counters between real processes: exact sums, growth under way, and SIGKILL at any moment."""

import multiprocessing
import os
import random
import signal
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from gantry.board.counters import Counters
from gantry.board.held import Held
from gantry.board.rows import RowFile, Table, Target
from gantry.board.standings import Refused
from gantry.core.limits import CounterKind, CustomerTerms, LimitUnit
from tests.board.ledger import NOW, terms_of

PROCESSES = 4
SLOT = 3
FORKING = multiprocessing.get_context("fork")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "counters"


def run_all(work: Callable[[int], None], count: int = PROCESSES) -> None:
    """Run the same work in several processes at once; each is given its number."""
    processes: list[BaseProcess] = [FORKING.Process(target=work, args=(number,)) for number in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * count


@pytest.mark.slow
def test_pain_6_calls_at_once_spend_a_budget_exactly(path: Path) -> None:
    """Four processes ask for more than there is: what passes is the capacity, to the last unit."""
    budget = terms_of("budget", capacity=9000)
    wide, gauge = terms_of("tokens", LimitUnit.TOKENS, 1 << 40), terms_of("g", LimitUnit.CONCURRENCY, PROCESSES)

    def spend(number: int) -> None:
        counters = Counters(path, slot=SLOT + number)
        passed = 0
        while isinstance(answer := counters.hold((wide, budget, gauge), 3, 7, NOW), Held):
            passed += 1
            counters.settle(answer, 1 + passed % 3, 5, NOW)
        assert isinstance(answer, Refused)
        assert answer.standing is not None
        assert answer.standing.terms == budget
        tally = terms_of(f"tally {number}", capacity=1 << 40)
        counters.settle(counters.hold((tally,), 0, 0, NOW), passed, 0, NOW)  # type: ignore[arg-type]

    run_all(spend)
    counters = Counters(path)
    passed = [counters.read(terms_of(f"tally {number}"), NOW) for number in range(PROCESSES)]
    spent = sum(1 + call % 3 for count in passed for call in range(1, count + 1))
    assert counters.read(budget, NOW) == spent
    assert 9000 - 3 < spent <= 9000
    assert (counters.read(wide, NOW), counters.read(gauge, NOW)) == (5 * sum(passed), 0)


@pytest.mark.slow
def test_the_file_grows_while_others_hold(path: Path) -> None:
    shared, each = terms_of("shared", LimitUnit.REQUESTS, 1 << 40), 4000

    def meet_customers(number: int) -> None:
        counters = Counters(path, slot=SLOT + number)
        for customer in range(each):
            own = terms_of(f"{number}/{customer}", LimitUnit.REQUESTS), terms_of(f"g{customer}", LimitUnit.CONCURRENCY)
            answer = counters.hold((shared, *own), 0, 0, NOW)
            assert isinstance(answer, Held)
            counters.settle(answer, 0, 0, NOW)
            counters.put_customer(own[0].key, CustomerTerms(period_budget=customer))

    run_all(meet_customers)
    counters = Counters(path)
    assert counters.read(shared, NOW) == PROCESSES * each
    for number in range(PROCESSES):
        for customer in range(each):
            own = terms_of(f"{number}/{customer}", LimitUnit.REQUESTS)
            assert counters.read(own, NOW) == 1
            assert counters.customer(own.key) == CustomerTerms(period_budget=customer)


@pytest.mark.slow
def test_the_clerk_fills_while_workers_go_on(path: Path) -> None:
    counters = [terms_of(f"limit {number}", capacity=1 << 40) for number in range(500)]

    def work(number: int) -> None:
        board = Counters(path, slot=SLOT + number)
        if number == 0:
            for _ in range(3):  # killed twice, say
                for term in counters:
                    board.fill(term, 1000, NOW)
            board.mark_filled()
        else:
            for turn in range(10):
                for term in counters:
                    answer = board.hold((term,), 7, 1, NOW)
                    assert isinstance(answer, Held), turn
                    board.settle(answer, 2, 1, NOW)

    run_all(work)
    board = Counters(path)
    assert not board.is_new
    assert {board.read(term, NOW) for term in counters} == {1000 + (PROCESSES - 1) * 10 * 2}


@pytest.mark.slow
def test_a_killed_process_leaves_nothing_by_half(path: Path) -> None:
    """All counters of one call move together, whenever its process dies, and its calls under way are let go."""
    pair = terms_of("one", capacity=1 << 40), terms_of("two", capacity=1 << 40)
    bucket = terms_of("bucket", LimitUnit.TOKENS, 1 << 40, kind=CounterKind.RATE)
    gauge = terms_of("gauge", LimitUnit.CONCURRENCY, 1000)
    supervisor, draw = Counters(path), random.Random(6)

    def work(slot: int, beginning: int) -> None:
        counters = Counters(path, slot=slot)
        os.write(beginning, b"+")
        for turn in range(1 << 40):
            more = terms_of(f"{turn % 7}", capacity=1 << 40)
            answer = counters.hold((*pair, bucket, gauge, more), 5, 3, NOW)
            assert isinstance(answer, Held)
            if turn % 3:
                counters.settle(answer, 1 + turn % 4, turn % 5, NOW)
            elif turn % 2:
                counters.release(answer, NOW)

    for turn in range(40):
        slots = range(SLOT, SLOT + 2)
        heard, beginning = os.pipe()
        processes = [FORKING.Process(target=work, args=(slot, beginning)) for slot in slots]
        for process in processes:
            process.start()
        for _ in processes:
            os.read(heard, 1)
        signal.sigtimedwait([], draw.random() * 0.05)
        for slot, process in zip(slots, processes, strict=True):
            process.kill()
            process.join()
            supervisor.release_slot(slot)
        os.close(heard)
        os.close(beginning)
        counts = [supervisor.read(term, NOW) for term in pair]
        others = sum(supervisor.read(terms_of(f"{number}"), NOW) for number in range(7))
        assert counts[0] == counts[1] == others, turn
        assert supervisor.read(gauge, NOW) == 0
    assert supervisor.read(pair[0], NOW) > 0


class DyingWords:
    """Kills its process when it is to be changed."""

    def __setitem__(self, at: int, number: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def test_who_comes_next_makes_the_changes_of_one_who_was_killed_between_them(path: Path) -> None:
    keys = [bytes(15) + bytes([number + 1]) for number in range(3)]

    def place_of(file: RowFile, key: bytes) -> tuple[Target, int]:
        segment, index = file.find(Table.COUNTERS, key) or file.take(Table.COUNTERS, key, lambda *_: False) or (None, 0)
        assert segment is not None
        segment.name(index, key)
        return (segment.words, index + 1), segment.place(index + 1)

    def die(_: int) -> None:
        file = RowFile(path, NOW)
        with file.locked():
            found = [place_of(file, key) for key in keys]
            targets: list[Any] = [target for target, _ in found]
            targets[1] = DyingWords(), targets[1][1]
            file.change(targets, [place for _, place in found], [7, 8, 9])

    before = RowFile(path, NOW)
    process = FORKING.Process(target=die, args=(0,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with before.locked():
        targets = [place_of(before, key)[0] for key in keys]
        assert [words[at] for words, at in targets] == [7, 8, 9]


@pytest.mark.parametrize("named", [True, False])
def test_a_row_that_was_not_finished_begins_anew(path: Path, named: bool) -> None:
    """Killed while it made a row, a process leaves one that nobody finds, or one without a stamp."""
    term = terms_of("budget")
    file = RowFile(path, NOW)
    with file.locked():
        segment, index = file.take(Table.COUNTERS, term.key, lambda *_: False) or (None, 0)
        assert segment is not None
        segment.words[index : index + 6] = memoryview(b"\x07" * 48).cast("q")
        if named:
            segment.words[index] = 0
            segment.name(index, term.key)
    counters = Counters(path)
    assert counters.read(term, NOW) == 0
    assert isinstance(counters.hold((term,), 60, 1, NOW), Held)
    assert counters.read(term, NOW) == 60
