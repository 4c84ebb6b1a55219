"""What is done to the copy that mypyc reads, and what keeps a stale one from being run."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from compiled.build import ROOT, _digest
from compiled.modules import REASONS
from compiled.source import faults, mended, with_bases
from gantry.cli import serve
from gantry.cli.doctor import look_at_build
from gantry.cli.finding import Verdict
from gantry.cli.main import gantry
from gantry.compiled import RECORD, Build, read_build

PACKAGE = ROOT / "src" / "gantry"
MODULE = '''"""What it is."""

from msgspec import Struct

class Plain(Struct):
    one: int

class Kept(Struct, frozen=True, gc=False):
    one: int
'''


def test_a_struct_has_its_keywords_from_a_base_and_no_line_moves() -> None:
    bases: dict[str, str] = {}
    made = with_bases(MODULE, bases).split("\n")
    assert bases == {"Struct_frozen_True_gc_False": "frozen=True, gc=False"}
    assert made[2] == "from gantry.struct_bases import Struct_frozen_True_gc_False; from msgspec import Struct"
    assert made[7] == "class Kept(Struct_frozen_True_gc_False):"
    assert len(made) == len(MODULE.split("\n"))


def test_a_module_without_such_a_struct_stays_as_it_is() -> None:
    source = "from msgspec import Struct\n\nclass Plain(Struct):\n    one: int\n"
    assert with_bases(source, {}) == source


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("_decode = Decoder(Kept).decode", "decodes into Kept"),
        ("read = convert(value, type=list[Plain])", "decodes into Plain"),
        ("class Long(Struct, frozen=True,\n    gc=False): ...", "more than one line"),
    ],
)
def test_what_would_be_something_else_is_refused(line: str, word: str) -> None:
    assert not list(faults(MODULE))
    assert word in "".join(faults(f"{MODULE}\n{line}\n"))


@pytest.mark.parametrize("name", REASONS)
def test_what_is_listed_is_there_and_can_be_compiled(name: str) -> None:
    assert not list(faults((PACKAGE / f"{name}.py").read_text()))


def test_nothing_compiled_lies_beside_the_source() -> None:
    assert not list(PACKAGE.rglob("*.so"))
    assert not (PACKAGE / RECORD).exists()


def test_another_source_has_another_name(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("1")
    before = _digest(tmp_path, [tmp_path])
    assert _digest(tmp_path, [tmp_path]) == before
    (tmp_path / "one.py").write_text("2")
    edited = _digest(tmp_path, [tmp_path])
    (tmp_path / "one.py").rename(tmp_path / "two.py")
    assert len({before, edited, _digest(tmp_path, [tmp_path])}) == 3


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of which one module is said to be compiled for this Python."""
    (tmp_path / "one.py").write_text("")
    nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # the SHA-256 of nothing
    (tmp_path / RECORD).write_text(json.dumps({"suffix": ".so", "digests": {"one.py": nothing}}))
    return tmp_path


def test_a_compiled_package_says_so(package: Path) -> None:
    build = read_build(package)
    assert (build.compiled, build.stale) == (1, [])
    assert look_at_build(build).verdict is Verdict.OK


def test_a_source_that_was_edited_since_is_found(package: Path) -> None:
    (package / "one.py").write_text("# edited")
    build = read_build(package)
    assert build.stale == ["one.py"]
    assert "one.py" in look_at_build(build).message
    assert look_at_build(build).verdict is Verdict.FAIL


def test_one_made_for_another_python_runs_plain(package: Path) -> None:
    record = (package / RECORD).read_text().replace(".so", ".cpython-27-elsewhere.so")
    (package / RECORD).write_text(record)
    assert read_build(package) == Build()


def test_a_stale_one_is_not_served_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(serve, "read_build", lambda: Build(1, ["wire/head.py"]))
    result = CliRunner().invoke(gantry, ["serve", "--home", str(tmp_path / "home"), "--port", "0"])
    assert result.exit_code == 1
    assert "wire/head.py changed after the package was compiled" in result.output
    assert not (tmp_path / "home").exists()


def test_what_is_wrong_in_mypycs_runtime_is_mended_as_long_as_it_is_there(tmp_path: Path) -> None:
    wrong = "    Py_ssize_t slice_len = endn - startn;\n"
    (tmp_path / "bytes_ops.c").write_text(wrong)
    [(name, content)] = mended(tmp_path)
    assert (name, content) == ("bytes_ops.c", "    Py_ssize_t slice_len = endn > startn ? endn - startn : 0;\n")
    (tmp_path / name).write_text(content)
    assert not list(mended(tmp_path))
