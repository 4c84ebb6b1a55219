"""The place where a run happens: its folder, its CPUs, its upstream and its load generator."""

import json
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import msgspec

from bench.certificate import write_certificates
from bench.children import Child, Children
from bench.jobs import Job, Target, TargetResult

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "bench"


class Load:
    """A load generator, which does one job after the other."""

    def __init__(self, child: Child) -> None:
        self._child = child

    def begin(self, job: Job) -> None:
        """Hand it a job; `results` waits for its end."""
        self._child.write_line(msgspec.json.encode(job))

    def results(self, seconds: float) -> list[TargetResult]:
        return msgspec.json.decode(self._child.read_line(seconds), type=list[TargetResult])


class Workshop:
    """What every scenario needs. Pinned, the systems under test get one CPU, and upstream and load the others."""

    def __init__(self, folder: Path, children: Children, *, pinned: bool = True, package: Path | None = None) -> None:
        self.folder = folder
        self.package = package or ROOT / "src"  # what the gantry under test is imported from
        self.build = "plain Python" if package is None else "hot path compiled"
        self.children = children
        cpus = sorted(os.sched_getaffinity(0))
        pinned = pinned and len(cpus) > 1
        self.system_cpus = {cpus[0]} if pinned else set(cpus)
        self.bench_cpus = set(cpus[1:]) if pinned else set(cpus)
        self.layout = (
            f"Systems under test on CPU {cpus[0]}, upstream and load on the others"
            if pinned
            else "No process is pinned"
        )
        write_certificates(folder)
        self.authority = folder / "ca.pem"
        self._upstream = self.helper("upstream", str(folder))
        self._load = self.another_load()
        ports = json.loads(self._upstream.read_line(10))
        self.upstream_port: int = ports["port"]
        self.upstream_tls_port: int = ports["tls_port"]

    def upstream_url(self, *, tls: bool) -> str:
        return f"https://localhost:{self.upstream_tls_port}" if tls else f"http://127.0.0.1:{self.upstream_port}"

    def direct(self) -> Target:
        """Return the upstream itself, for what the load generator measures without a gateway."""
        headers = {"content-type": "application/json", "authorization": "Bearer upstream"}
        return Target("direct", self.upstream_port, "/v1/chat/completions", "mistral-small-latest", headers, exact=True)

    def upstream_counts(self) -> dict[str, int]:
        """Return how many calls and connections the upstream has seen."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.upstream_port}/counts", timeout=10) as answer:
            return msgspec.json.decode(answer.read(), type=dict[str, int])

    def begin(self, job: Job) -> None:
        """Hand a job to the load generator; `results` waits for its end."""
        self._load.begin(job)

    def results(self, seconds: float) -> list[TargetResult]:
        return self._load.results(seconds)

    def perform(self, job: Job) -> list[TargetResult]:
        self.begin(job)
        return self.results((job.seconds or 0) + job.stagger + 90)

    def another_load(self) -> "Load":
        """Return one more load generator, for jobs at the same time."""
        return Load(self.helper("load"))

    def free_port(self) -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            return port

    def helper(self, name: str, *arguments: str) -> Child:
        """Start a module of the harness as a process of its own."""
        return self.children.start(
            name, [sys.executable, "-m", f"bench.{name}", *arguments], cpus=self.bench_cpus, environment=_BENCH_PATH
        )


_BENCH_PATH = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}


def output_of(*argv: str) -> str:
    """Return what a short command prints, or an empty string when it fails or is not there."""
    try:
        result = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False, cwd=ROOT)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (result.stdout + result.stderr).strip() if result.returncode == 0 else ""
