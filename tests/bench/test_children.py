"""No process outlives the run, even when the harness is killed."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.children import Children
from bench.measure import cpu_ns, memory, tree

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow

_HARNESS = """
import os, sys, time
from pathlib import Path
from bench.children import Children
children = Children(Path(sys.argv[1]))
child = children.start("sleeper", [sys.executable, "-c", sys.argv[2]], cpus=os.sched_getaffinity(0))
print(child.pid, child.read_line(20), flush=True)
time.sleep(60)
"""
_PARENT_OF_AN_ORPHAN = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


def _wait_for_end(pids: list[int]) -> None:
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        readable, _, _ = select.select([descriptor], [], [], 20)
        os.close(descriptor)
        assert readable, f"process {pid} is still there"


def test_a_killed_harness_leaves_nobody_behind(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
    argv = [sys.executable, "-c", _HARNESS, str(tmp_path), _PARENT_OF_AN_ORPHAN]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment) as harness:
        assert harness.stdout is not None
        pids = [int(word) for word in harness.stdout.readline().split()]
        assert len(pids) == 2
        harness.send_signal(signal.SIGKILL)
        _wait_for_end(pids)


def test_what_a_child_cost_is_read_and_it_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    children = Children(tmp_path)
    try:
        cpus = os.sched_getaffinity(0)
        child = children.start("parent", [sys.executable, "-c", _PARENT_OF_AN_ORPHAN], cpus=cpus)
        grandchild = int(child.read_line(20))
        assert tree(child.pid) == [child.pid, grandchild]
        assert cpu_ns([child.pid]) > 0
        assert memory([child.pid]).rss >= memory([child.pid]).pss > 0
        assert child.process.stdout is not None
    finally:
        children.stop_all()
    _wait_for_end([child.pid, grandchild])


def test_who_was_there_before_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as bystander:
        Children(tmp_path).stop_all()
        said, _ = bystander.communicate(b"here", timeout=20)
        assert said == b"here"
        assert bystander.returncode == 0


def test_a_paused_child_goes_on_where_it_was_and_can_be_stopped(tmp_path: Path) -> None:
    children = Children(tmp_path)
    try:
        child = children.start("cat", ["cat"], cpus=os.sched_getaffinity(0))
        child.pause()
        child.write_line(b"one")
        assert child.process.poll() is None
        child.resume()
        assert child.read_line(20) == "one"
        child.pause()
        children.stop(child)
        assert child.process.returncode == -signal.SIGTERM
    finally:
        children.stop_all()
