"""What copying a body costs is told for each job, and the copies do not pile up."""

import os
import subprocess
import sys
from pathlib import Path

from bench.copying import Segments

ROOT = Path(__file__).resolve().parent.parent.parent


def test_each_job_is_answered_with_what_a_body_took(tmp_path: Path) -> None:
    cpus = [str(cpu) for cpu in sorted(os.sched_getaffinity(0))]
    done = subprocess.run(
        [sys.executable, "-m", "bench.copying", cpus[0], cpus[-1], str(tmp_path / "copied")],
        input=b"10000 0.1\n1000000 0.1\n",
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        check=True,
    )
    small, large = map(int, done.stdout.split())
    assert 0 < small < large


def test_a_full_file_is_deleted_when_the_next_is_begun(tmp_path: Path) -> None:
    segments = Segments(tmp_path)
    for letter in (b"a", b"b", b"c"):
        segments.append(memoryview(letter * (12 << 20)))
        segments.sync()
    assert [file.name for file in tmp_path.iterdir()] == ["2"]
    assert (tmp_path / "2").read_bytes()[: 12 << 20] == b"c" * (12 << 20)
