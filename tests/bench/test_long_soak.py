"""What must hold of a long soak is found when it does not, and a short one with a household holds it."""

import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from msgspec import structs

from bench.course import Capacity, Course, Sample
from bench.household import JOBS, Deed
from bench.ledger import Stored

ROOT = Path(__file__).resolve().parents[2]


def sample(number: int, *, rss: int = 50_000_000, descriptors: int = 40, wait: float = 2.0) -> Sample:
    return Sample(
        at=number * 5.0,
        rss={"worker 0": rss},
        descriptors={"worker 0": descriptors},
        cpu={"worker 0": number * 1.0},
        journal=1_000,
        store=1_000,
        lag=0,
        rows=number * 100,
        left=number * 50,
        busy=0.5,
        waits=[wait] * 50,
    )


STEADY = [sample(number) for number in range(1, 61)]
GOOD = Course(
    seconds=300,
    capacity=Capacity(2000.0, 200.0),
    streams=1000,
    samples=STEADY,
    deeds=[Deed(number * 20.0, job, 1.0, "done") for number, job in enumerate(JOBS)],
    stored=Stored(rows=3_000, deleted=3_000, summed=6_000),
    rows=6_000,
    open_before={"worker 0": 30},
    open_after={"worker 0": 30},
    probe_calls=3_000,
    probe_failures=[],
    restarts=0,
)


def late(**other: Any) -> list[Sample]:
    return [*STEADY[:40], *(sample(number, **other) for number in range(41, 61))]


def test_nothing_is_said_of_a_soak_that_held() -> None:
    assert list(GOOD.violations()) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"samples": late(rss=56_000_000)}, "worker 0 grew from 50.0 to 56.0 MB"),
        ({"samples": late(descriptors=49)}, "worker 0 had 40 descriptors open, and 49 at the end"),
        ({"samples": late(wait=3.1)}, "the probe's p99 went from 2.0 to 3.1 ms"),
        (
            {"open_after": {"worker 0": 35}},
            "worker 0 had 30 descriptors open before the calls, and 35 after them",
        ),
        (
            {"stored": Stored(rows=3_000, deleted=3_000, summed=5_999)},
            "6000 rows were stored, and the sums by day count 5999 calls",
        ),
        (
            {"stored": Stored(rows=3_000, deleted=2_999, summed=6_000)},
            "3000 rows are left and 2999 were deleted of 6000",
        ),
        ({"stored": Stored(rows=6_000, deleted=0, summed=6_000)}, "retention deleted nothing"),
        ({"deeds": GOOD.deeds[1:]}, "rules: not done once"),
        ({"deeds": [*GOOD.deeds, Deed(120.0, "export", 1.0, "", "2 lines")]}, "export, after 120 s: 2 lines"),
        ({"restarts": 1}, "1 processes of the gateway were restarted"),
        ({"probe_failures": ["call 1: cut"]}, "1 looks at the probe found failures, the first: call 1: cut"),
    ],
)
def test_what_does_not_hold_is_said(wrong: dict[str, Any], said: str) -> None:
    assert list(structs.replace(GOOD, **wrong).violations()) == [said]


def test_the_graphs_show_each_process() -> None:
    picture = ElementTree.fromstring(GOOD.graphs("A soak"))
    assert [one.text for one in picture.iter("{http://www.w3.org/2000/svg}title")].count("worker 0") == 3


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_short_soak_with_a_household_leaves_nothing(tmp_path: Path) -> None:
    length = ["--minutes", "0.5", "--streams", "200", "--graphs", str(tmp_path / "soak")]
    argv = [sys.executable, "-m", "bench", "--scenario", "soak", *length, "--unpinned", "--plain"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=290, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    page = (tmp_path / "soak.md").read_text()
    assert "| rows left, and deleted by retention |" in page
    assert "soak/soak.svg" in page
    ElementTree.parse(tmp_path / "soak" / "soak.svg")
