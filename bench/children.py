"""Starts processes and sees to it that none of them outlives the run.

Four nets, one under the other: each child has its own process group, which `stop` ends; the kernel kills a child whose
parent died; the harness adopts orphaned grandchildren and ends them in `stop_all`; and the lifeline process ends all
groups when the harness was killed itself.
"""

import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.measure import children as children_of

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


class ChildError(Exception):
    """A process of the run failed; the message says which, and what it wrote last."""


class Child:
    """A process with its log file and a way to read lines from its stdout under a deadline."""

    def __init__(self, process: "subprocess.Popen[bytes]", name: str, log: Path) -> None:
        self.process = process
        self.name = name
        self.log = log
        self._pending = b""

    @property
    def pid(self) -> int:
        return self.process.pid

    def read_line(self, seconds: float) -> str:
        """Return the next line of its stdout. Raises ChildError when there is none in time."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while b"\n" not in self._pending:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise ChildError(f"{self.name} said nothing for {seconds:.0f} s. {self.last_words()}")
                data = os.read(descriptor, 1 << 16)
                if not data:
                    raise ChildError(f"{self.name} ended. {self.last_words()}")
                self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode()

    def write_line(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def pause(self) -> None:
        """Hold it still until `resume`."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def last_words(self) -> str:
        text = self.log.read_text(errors="replace").strip() if self.log.exists() else ""
        return f"Its last words: {' / '.join(text.splitlines()[-3:])}" if text else "It left no message."


class Children:
    """All processes of one run, pinned to the CPUs they are given."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._running: list[Child] = []
        self._bystanders = frozenset(children_of(os.getpid()))  # whoever runs us may have started others
        self._libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._lifeline = subprocess.Popen(
            [sys.executable, "-m", "bench.lifeline"], stdin=subprocess.PIPE, start_new_session=True
        )

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        cpus: set[int],
        environment: Mapping[str, str] | None = None,
        chatty: bool = False,
    ) -> Child:
        """Start a process in a group of its own. Its stderr goes to a log file, and its stdout when it is `chatty`."""

        def in_child() -> None:
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            os.sched_setaffinity(0, cpus)

        log = self._logs / f"{name.replace(' ', '-')}.log"
        with log.open("ab") as stderr:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=stderr if chatty else subprocess.PIPE,
                stderr=stderr,
                env=None if environment is None else {**os.environ, **environment},
                start_new_session=True,
                preexec_fn=in_child,
            )
        self._note(process.pid)
        child = Child(process, name, log)
        self._running.append(child)
        return child

    def run(
        self,
        name: str,
        argv: Sequence[str],
        *,
        cpus: set[int],
        environment: Mapping[str, str] | None = None,
        seconds: float = 30,
    ) -> str:
        """Run a command to its end and return its stdout. Raises ChildError when it fails."""
        child = self.start(name, argv, cpus=cpus, environment=environment)
        try:
            output, _ = child.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise ChildError(f"{name} took longer than {seconds:.0f} s. {child.last_words()}") from None
        finally:
            self.stop(child, grace=0)
        if child.process.returncode != 0:
            raise ChildError(f"`{' '.join(argv)}` failed with {child.process.returncode}. {child.last_words()}")
        return output.decode()

    def stop(self, child: Child, grace: float = 10) -> None:
        """Ask a process to end, then make its whole group end."""
        if child.process.poll() is None and grace:
            child.process.terminate()
            child.resume()
            try:
                child.process.wait(grace)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.process.wait()
        for pipe in (child.process.stdin, child.process.stdout):
            if pipe is not None:
                pipe.close()
        if child in self._running:
            self._running.remove(child)
            self._note(-child.pid)

    def stop_all(self) -> None:
        """End everything, and then whatever they left behind."""
        for child in reversed(list(self._running)):
            self.stop(child, grace=3)
        while orphans := set(children_of(os.getpid())) - self._bystanders - {self._lifeline.pid}:
            for pid in orphans:
                try:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                except (ProcessLookupError, ChildProcessError):
                    continue
        self._libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        assert self._lifeline.stdin is not None
        self._lifeline.stdin.close()
        self._lifeline.wait()

    def _note(self, group: int) -> None:
        assert self._lifeline.stdin is not None
        self._lifeline.stdin.write(f"{group}\n".encode())
        self._lifeline.stdin.flush()
