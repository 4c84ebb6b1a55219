"""Our own source, as tests ask it: which calls it makes, and which texts it builds."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
SOURCE: Final = ROOT / "src" / "gantry"


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    """Return each module: its path within the package, and its syntax."""
    return tuple(
        (path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(SOURCE.rglob("*.py"))
    )


def imports(module: ast.Module) -> Iterator[str]:
    """Yield the names of what a module imports, with what it takes from it."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def calls(module: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call with the last name of what is called."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            yield name, node


def built_texts(module: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """Yield each f-string: its literal parts together, and what is put between them."""
    for node in ast.walk(module):
        if isinstance(node, ast.JoinedStr):
            literal = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
            yield literal, [ast.unparse(part.value) for part in node.values if isinstance(part, ast.FormattedValue)]
