"""What is done to a copy of the source before mypyc reads it, so that nothing has to be done to the source itself; and
to what mypyc adds to it.

Law: a line stays where it is, for tracebacks show the lines of the source. mypyc makes a class that has a metaclass by
calling that, but without the keywords in its head: of a struct they would be lost, frozen and all. A struct inherits
them, too, so in the copy it does, from a base that is not compiled (`gantry.struct_bases`).
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from compiled.modules import MODULES

BASES: Final = "gantry/struct_bases.py"
_STRUCT: Final = re.compile(r"^class (\w+)\((?:msgspec\.)?Struct, ([^)\n]+)\):", re.MULTILINE)
_DECODES: Final = re.compile(r"\b(?:Decoder\(|convert\(|type=)")

# mypyc 2.4 takes a slice of bytes that ends before it begins for an error, where Python has nothing.
_MENDS: Final = {
    "bytes_ops.c": (
        "Py_ssize_t slice_len = endn - startn;",
        "Py_ssize_t slice_len = endn > startn ? endn - startn : 0;",
    )
}


class NotCompilable(Exception):
    """A listed module has what mypyc would compile into something else."""


def prepare(copy: Path) -> list[str]:
    """Rewrite the listed modules of a copy of the package, and return their paths in it. Raises NotCompilable."""
    bases: dict[str, str] = {}
    paths = [f"gantry/{name}.py" for name in MODULES]
    for path in paths:
        file = copy / path
        source = file.read_text()
        for fault in faults(source):
            raise NotCompilable(f"{path}: {fault}; take it out of compiled/modules.py, or move that elsewhere")
        file.write_text(with_bases(source, bases))
    lines = [f"class {name}(Struct, {keywords}): ...\n" for name, keywords in bases.items()]
    (copy / BASES).write_text("from msgspec import Struct\n" + "".join(lines))
    return paths


def mended(runtime: Path) -> Iterator[tuple[str, str]]:
    """Yield the files of mypyc's runtime that are wrong, without what is wrong in them, as far as it still is."""
    for name, (wrong, right) in _MENDS.items():
        content = (runtime / name).read_text()
        if wrong in content:
            yield name, content.replace(wrong, right)


def with_bases(source: str, bases: dict[str, str]) -> str:
    """Return a module whose structs have their keywords from a base; those that it needs are added to `bases`."""
    used: set[str] = set()

    def inherit(head: re.Match[str]) -> str:
        name = "Struct_" + "_".join(re.findall(r"\w+", head[2]))
        bases[name] = head[2]
        used.add(name)
        return f"class {head[1]}({name}):"

    source = _STRUCT.sub(inherit, source)
    if not used:
        return source
    first = next(node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom))
    lines = source.split("\n")
    lines[first.lineno - 1] = f"from gantry.struct_bases import {', '.join(sorted(used))}; {lines[first.lineno - 1]}"
    return "\n".join(lines)


def faults(source: str) -> Iterator[str]:
    """Yield what in a module would not be the same when it is compiled."""
    structs = {
        node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and any("Struct" in ast.unparse(base) for base in node.bases)
    }
    for number, line in enumerate(source.split("\n"), 1):
        if line.startswith("class ") and "Struct," in line and not _STRUCT.match(line):
            yield f"line {number} has the head of a struct in more than one line"
        if _DECODES.search(line):
            for name in sorted(structs.intersection(re.findall(r"\w+", line))):
                yield f"line {number} decodes into {name}, whose fields would lose their types"
