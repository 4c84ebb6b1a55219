"""The laws of the house that a machine can check, over the source as it stands. Each test names every offender."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "gantry"

LONGEST_FILE = 600
LONGEST_FUNCTION = 80
LONGEST_MODULE_DOCSTRING = 35
DATABASE_PACKAGES = {"sqlalchemy", "sqlite3", "alembic", "psycopg"}
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}
MUTATING_METHODS = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "remove",
    "reverse", "setdefault", "sort", "update",
}  # fmt: skip

Function = ast.FunctionDef | ast.AsyncFunctionDef
Law = Callable[[Path, ast.Module], Iterator[str]]


def assert_kept(law: Law, *, apart_from: str | None = None) -> None:
    """Fail with everything that breaks a law. Migrations are generated, and history."""
    spared = {"migrations", apart_from}
    offences = [
        f"{path.relative_to(ROOT)}: {offence}"
        for path in sorted(SOURCE.rglob("*.py"))
        if spared.isdisjoint(path.relative_to(SOURCE).parts)
        for offence in law(path, ast.parse(path.read_text(encoding="utf-8"), path.name))
    ]
    assert not offences, "\n".join(offences)


def functions_of(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def imports_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


@pytest.mark.slow
def test_each_floor_imports_only_those_below() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_module_says_what_it_is() -> None:
    def law(_: Path, tree: ast.Module) -> Iterator[str]:
        docstring = ast.get_docstring(tree)
        if not docstring:
            yield "no docstring"
        elif len(docstring.splitlines()) > LONGEST_MODULE_DOCSTRING:
            yield "a docstring that nobody reads to its end"

    assert_kept(law)


def test_a_module_is_short_and_has_a_meaningful_name() -> None:
    def law(path: Path, _: ast.Module) -> Iterator[str]:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LONGEST_FILE:
            yield f"{lines} lines"
        if path.stem in EMPTY_NAMES:
            yield "a name that says nothing"

    assert_kept(law)


def test_a_function_fits_on_a_screen() -> None:
    def law(_: Path, tree: ast.Module) -> Iterator[str]:
        for function in functions_of(tree):
            lines = (function.end_lineno or 0) - function.lineno + 1
            if lines > LONGEST_FUNCTION:
                yield f"{function.name} has {lines} lines"

    assert_kept(law)


def test_imports_stand_at_the_top_and_are_absolute() -> None:
    def law(_: Path, tree: ast.Module) -> Iterator[str]:
        for function in functions_of(tree):
            yield from (f"{function.name} imports {name}" for name in imports_of(function))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                yield f"relative import of {node.module}"

    assert_kept(law)


def test_no_module_keeps_state() -> None:
    """A container at module level is a table: no function of its module changes or rebinds it."""

    def law(_: Path, tree: ast.Module) -> Iterator[str]:
        names = set(module_names(tree))
        for function in functions_of(tree):
            for name in changed_names(function):
                if name in names - local_names(function):
                    yield f"{function.name} changes {name}"
        if any(isinstance(node, ast.Global) for node in ast.walk(tree)):
            yield "a global statement"

    assert_kept(law)


def module_names(tree: ast.Module) -> Iterator[str]:
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name


def changed_names(function: Function) -> Iterator[str]:
    """Yield the names whose contents a function changes: by a subscript, or by a method that mutates."""
    for node in ast.walk(function):
        match node:
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                yield name
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if method in MUTATING_METHODS:
                yield name


def local_names(function: Function) -> set[str]:
    stored = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return stored | {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}


def test_only_the_store_speaks_sql() -> None:
    def law(_: Path, tree: ast.Module) -> Iterator[str]:
        yield from (f"imports {name}" for name in imports_of(tree) if name.split(".")[0] in DATABASE_PACKAGES)

    assert_kept(law, apart_from="store")


def test_no_provider_is_named_in_a_condition() -> None:
    """Law 3: a provider is a row of data. The simulator plays providers by name; nobody else compares with one."""
    providers = {path.stem for path in (SOURCE / "providers" / "catalog").glob("*.toml")}

    def law(_: Path, tree: ast.Module) -> Iterator[str]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare | ast.MatchValue):
                for constant in ast.walk(node):
                    if isinstance(constant, ast.Constant) and constant.value in providers:
                        yield f"line {constant.lineno} compares with {constant.value!r}"

    assert providers
    assert_kept(law, apart_from="simulator")


def test_the_tests_mirror_the_source() -> None:
    folders = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    untested = [folder for folder in sorted(folders) if not list((ROOT / "tests" / folder).glob("test_*.py"))]
    assert not untested


@pytest.mark.parametrize("floor", ["core", "prices", "providers", "store"])
def test_types_that_threads_read_are_learnt_at_import(floor: str) -> None:
    """msgspec ends the process where a second thread needs a type that a first is learning: `providers/spec.py`."""
    unlearnt = []
    for path in sorted((SOURCE / floor).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        converted = set(re.findall(r"msgspec\.convert\(.+, (_?[A-Z]\w+)\)", text))
        decoded = (
            set(re.findall(r"\.decode\([^\n]*type=(?:\w+\[)?(_?[A-Z][a-z]\w+)[\])]", text))
            if floor == "store"
            else set()
        )
        unlearnt += [f"{path.name}: {name}" for name in converted | decoded if f"Decoder({name})" not in text]
    assert unlearnt == []
