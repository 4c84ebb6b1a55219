"""The compiled package passes the same tests as the plain one: of bytes, journal, board, calls and records."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from compiled.build import ROOT, CannotCompile, compiled_copy
from compiled.modules import MODULES

FOLDERS = ("tests/wire", "tests/journal", "tests/board", "tests/dial", "tests/clerk")
# Of the gateway's, whose tests take minutes: those of what is compiled.
_CALLS = "clients relay pump records holds holds_attempts hedging faults translate translate_faults stream_stop".split()
GATEWAY = tuple(f"tests/gateway/test_{name}.py" for name in (*_CALLS, "attempts_counted", "bounded_stream", "native"))


@pytest.fixture(scope="module")
def compiled() -> Path:
    try:
        return compiled_copy()
    except CannotCompile as error:
        if "no C compiler" in str(error):
            pytest.skip(str(error))
        raise


def run_python(compiled: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{compiled}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_what_is_listed_runs_compiled(compiled: Path) -> None:
    names = ", ".join(f"gantry.{name.replace('/', '.')}" for name in MODULES)
    files = run_python(
        compiled, "-c", f"import sys, {names}\nfor name in '{names}'.split(', '): print(sys.modules[name].__file__)"
    )
    assert all(file.endswith(".so") for file in files.split())
    status = run_python(compiled, "-m", "gantry.cli.main", "status", "--home", str(compiled / "no-home"))
    assert f"{len(MODULES)} modules of the hot path are compiled" in status


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("places", [*((folder,) for folder in FOLDERS), GATEWAY], ids=[*FOLDERS, "tests/gateway"])
def test_the_same_tests_pass(compiled: Path, places: tuple[str, ...]) -> None:
    with TemporaryDirectory() as folder:  # pytest's own is so deep that a socket in a folder of it has no address
        said = run_python(
            compiled,
            *("-m", "pytest", *places, "-q", "-m", "not slow and not sdk and not plain", "-p", "no:cacheprovider"),
            *("--basetemp", f"{folder}/t"),
        )
    assert " passed" in said
