"""Compiles the listed modules in a copy of the package, which then is the whole package, to be put on PYTHONPATH.

Law: no compiled file ever lies beside the source that somebody edits. A copy lies in a folder that is named by all it
was made of, so another source has another folder, and an old one is never taken for it. What the copy was made of is
written into it too (`gantry/compiled.json`), for `gantry doctor` to compare.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
import mypyc

from compiled.modules import MODULES
from compiled.source import BASES, mended, prepare
from gantry.compiled import RECORD, Record

ROOT: Final = Path(__file__).resolve().parent.parent
CACHE: Final = ROOT / ".cache" / "compiled"
GROUP: Final = "gantry"  # the library that holds them all is called `gantry__mypyc`
OPTIMIZATION: Final = "1"  # 2 and 3 take many times as long, and calls into CPython are what is left
SUFFIX: Final = sysconfig.get_config_var("EXT_SUFFIX")
_ROOMS: Final = (
    "core",
    "wire",
    "prices",
    "board",
    "journal",
    "dialects",
    "dial",
    "providers",
    "routing",
    "gateway",
    "clerk",
    "store",
)
_CONFIG: Final = """[mypy]
mypy_path = .
explicit_package_bases = True
namespace_packages = True
ignore_missing_imports = True
cache_dir = /dev/null
disable_error_code = misc, override
"""


class CannotCompile(Exception):
    """There is no compiler, or it refused; the message says what it said."""


def compiled_copy(source: Path = ROOT / "src" / "gantry") -> Path:
    """Return the folder with the compiled package, made if it is not there yet. Raises CannotCompile."""
    with _held_still(source) as still:
        return _kept("package", _digest(still, [still]), lambda target: compile_into(target, still))


def compile_into(target: Path, source: Path) -> None:
    """Make a copy of the package in `target` that runs compiled. Raises CannotCompile."""
    beside = compile_beside(source)
    _copy(source, target / "gantry")
    shutil.copytree(beside, target, dirs_exist_ok=True)


def compile_beside(source: Path) -> Path:
    """Return the folder with what lies beside the source where it runs compiled, made if it is not there yet.

    Raises CannotCompile.
    """
    with _held_still(source) as still:
        digest = _digest(still, [still / room for room in _ROOMS])
        return _kept("beside", digest, lambda target: _compile(target, still))


def _compile(target: Path, source: Path) -> None:
    if shutil.which(os.environ.get("CC", "cc")) is None:
        raise CannotCompile("there is no C compiler (Debian: apt-get install gcc python3-dev)")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        _copy(source, work / "gantry")
        paths = prepare(work)
        (work / "mypy.ini").write_text(_CONFIG)
        runtime = work / "runtime"  # goes before mypyc's own
        runtime.mkdir()
        for name, content in mended(Path(mypyc.__file__).parent / "lib-rt"):
            (runtime / name).write_text(content)
        places = (str(ROOT), str(source.parent), os.environ.get("PYTHONPATH", ""))  # the last is how pip isolates
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "CFLAGS": f"-g0 -I{runtime}"}
        argv = [sys.executable, str(Path(__file__).with_name("extension.py")), *paths]
        done = subprocess.run(argv, cwd=work, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotCompile(f"mypyc or the compiler refused:\n{(done.stdout + done.stderr)[-4000:]}")
        for path in (*work.glob(f"*{SUFFIX}"), *(work / "gantry").rglob(f"*{SUFFIX}"), work / BASES):
            place = target / path.relative_to(work)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place)
    digests = {f"{name}.py": hashlib.sha256((source / f"{name}.py").read_bytes()).hexdigest() for name in MODULES}
    (target / "gantry" / RECORD).write_bytes(msgspec.json.encode(Record(SUFFIX, digests)))


def _kept(kind: str, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder of the cache, made whole or not at all."""
    target = CACHE / kind / name
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="making-") as folder:
            made = Path(folder) / name
            made.mkdir()
            make(made)
            try:
                made.rename(target)
            except OSError:  # somebody else was first
                if not target.is_dir():
                    raise
    return target


@contextmanager
def _held_still(source: Path) -> Iterator[Path]:
    """Give a copy of the source, which nobody edits between its digest and the end of its compiling."""
    with tempfile.TemporaryDirectory() as folder:
        still = Path(folder) / source.name
        _copy(source, still)
        yield still


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.so"))


def _digest(source: Path, parts: Sequence[Path]) -> str:
    """Return a name for what is made of these parts of the source, by these tools."""
    digest = hashlib.sha256(f"{sys.version} {SUFFIX} {version('mypy')}".encode())
    files = (file for part in parts for file in sorted(part.rglob("*")))
    for file in (*sorted(Path(__file__).parent.glob("*.py")), *files):
        if file.is_file() and "__pycache__" not in file.parts:
            content = file.read_bytes()
            digest.update(f"{os.path.relpath(file, source)} {len(content)} ".encode() + content)
    return digest.hexdigest()[:16]
