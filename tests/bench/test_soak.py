"""The soak finds what it is there to find, and a short one finds nothing."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bench.riders import End, Tally
from bench.soak import Remains

ROOT = Path(__file__).resolve().parents[2]
NOTHING = Remains(
    tally=Tally(calls=3, ends={End.ANSWERED: 3}, first_tokens=[0.1] * 3, first_failure=""),
    rows=3,
    calls_on_record=3,
    attempts=4,
    seen=4,
    unrecorded=0,
    unseen=0,
    board={"in flight": 0, "attempts": 0},
    upstream_connections=0,
    early=[50_000_000, 50_000_000],
    late=[54_000_000, 50_000_000],
    hedges=1,
    outcomes={"success": 3},
    fates={"well": 4},
)


def test_nothing_is_wrong_where_nothing_is_left() -> None:
    assert list(NOTHING.violations()) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rows": 2, "calls_on_record": 2}, "3 calls are 2 rows of 2 calls"),
        ({"rows": 4}, "3 calls are 4 rows of 3 calls"),
        ({"calls_on_record": 2}, "3 calls are 3 rows of 2 calls"),
        ({"unrecorded": 1}, "1 requests came to the provider of which no attempt is on record"),
        ({"unseen": 2}, "2 attempts on record never came to the provider"),
        ({"board": {"in flight": 0, "attempts": 1}}, "attempts: 1 left"),
        ({"upstream_connections": 5}, "5 connections to the provider are left"),
        ({"late": [50_000_000, 56_000_000]}, "worker 1 grew from 50.0 to 56.0 MB"),
    ],
)
def test_what_is_left_is_said(wrong: dict[str, Any], said: str) -> None:
    assert list(structs.replace(NOTHING, **wrong).violations()) == [said]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_short_soak_leaves_nothing() -> None:
    argv = [
        sys.executable,
        "-m",
        "bench",
        "--scenario",
        "soak",
        "--minutes",
        "0.33",
        "--streams",
        "100",
        "--unpinned",
        "--plain",
    ]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "| rows stored |" in done.stdout
