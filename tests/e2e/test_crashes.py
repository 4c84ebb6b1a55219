"""Each process killed with SIGKILL under load, by name: answered ∪ seen by the provider ⊆ recorded, and nothing twice.

The clerk killed between insert and checkpoint, and at a dozen other points, is tests/clerk/test_killed_clerk.py.
"""

from pathlib import Path

import pytest

from tests.e2e.node import await_true, running_node
from tests.e2e.traffic import Traffic, take_account

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

UNDER_WAY = 8


def test_a_killed_worker_leaves_its_calls_on_record_as_crashed(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        with Traffic(node) as traffic:
            traffic.await_more(20)
            traffic.await_streams(UNDER_WAY)
            killed = node.kill("worker")
            traffic.await_more(20, stream=True)
        node.await_another("worker", killed)
        account = take_account(node, traffic)
        account.check_nothing_lost()
        assert account.check_crashed()


@pytest.mark.parametrize("role", ["clerk", "console"])
def test_a_killed_clerk_or_console_is_noticed_by_no_call(tmp_path: Path, role: str) -> None:
    with running_node(tmp_path) as node:
        with Traffic(node) as traffic:
            traffic.await_streams(UNDER_WAY)
            killed = node.kill(role)
            traffic.await_more(20, stream=True)
        node.await_another(role, killed)
        account = take_account(node, traffic)
        account.check_nothing_lost()
        assert all(answer.complete and answer.status == 200 for answer in account.answers)
        assert {record.outcome for record in account.records} == {"success"}
        await_true(lambda: node.ask("/api/request-logs/list/")[0] == 200, "the console's answer")


def test_a_clerk_killed_again_and_again_counts_nothing_twice(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        with Traffic(node) as traffic:
            for _ in range(5):
                traffic.await_more(10)
                killed = node.kill("clerk")
                node.await_another("clerk", killed)
            traffic.await_more(10, stream=True)
        account = take_account(node, traffic)
        account.check_nothing_lost()
        assert {record.outcome for record in account.records} == {"success"}


def test_a_killed_supervisor_is_succeeded_at_once_on_its_port_and_home(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        with Traffic(node) as traffic:
            traffic.await_more(20)
            traffic.await_streams(UNDER_WAY)
            node.kill("supervisor")
            assert node.serve(node.port).port == node.port
            traffic.await_more(20, stream=True)
        account = take_account(node, traffic)
        account.check_nothing_lost()
        account.check_crashed()
