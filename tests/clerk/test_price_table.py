"""The clerk's rates from a file that a short process compiled."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from gantry.clerk.compile_prices import main
from gantry.clerk.price_table import COMPILER, open_rates
from gantry.prices.load import load_rates
from gantry.prices.rates import Rates
from gantry.prices.sealed_table import table_name

NOON = 1_795_262_400_000_000_000  # 2026-11-21T12:00Z
REFUSING = (sys.executable, "-c", "raise SystemExit(3)")
TALKING = (sys.executable, "-c", "print('no table')")


@pytest.fixture(scope="module")
def compiled() -> bytes:
    return subprocess.run(COMPILER, stdout=subprocess.PIPE, check=True).stdout


@pytest.fixture
def cache(tmp_path: Path, compiled: bytes) -> Path:
    """A folder with a good table in it."""
    (tmp_path / table_name()).write_bytes(compiled)
    return tmp_path


def compiler_of(tmp_path: Path, compiled: bytes) -> tuple[str, ...]:
    """Return a compiler that is quick, and leaves a mark that it ran."""
    source = tmp_path / "compiled"
    source.write_bytes(compiled)
    mark = tmp_path / "ran"
    code = f"import pathlib, sys; pathlib.Path({str(mark)!r}).touch(); "
    code += f"sys.stdout.buffer.write(pathlib.Path({str(source)!r}).read_bytes())"
    return (sys.executable, "-c", code)


def assert_good(rates: Rates) -> None:
    expected = load_rates()
    assert rates.providers == expected.providers
    for provider, model in (("mistral", "mistral-large-latest"), ("openai", "gpt-4o"), ("mistral", "no-such-model")):
        assert rates.find(provider, model, NOON) == expected.find(provider, model, NOON)
    assert rates.provider_of("gpt-4o") == "openai"


def test_the_compiler_writes_the_same_each_time(compiled: bytes, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    main([])
    sys.stdout.flush()
    assert capfdbinary.readouterr().out == compiled


def test_a_table_that_is_there_is_used(cache: Path) -> None:
    assert_good(open_rates(cache, compiler=REFUSING))


def test_a_missing_table_is_compiled_once_and_replaces_those_of_other_versions(tmp_path: Path, compiled: bytes) -> None:
    compiler = compiler_of(tmp_path, compiled)
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "prices-0.0.1-0123456789abcdef").write_bytes(b"old")
    (cache / "other").write_bytes(b"not ours")

    assert_good(open_rates(cache, compiler=compiler))
    assert sorted(entry.name for entry in cache.iterdir()) == ["other", table_name()]
    (tmp_path / "ran").unlink()
    assert_good(open_rates(cache, compiler=compiler))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("damage", ["empty", "short", "flipped"])
def test_a_damaged_table_is_compiled_again(
    tmp_path: Path, compiled: bytes, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    path = cache / table_name()
    middle = len(compiled) // 2
    flipped = compiled[:middle] + bytes([compiled[middle] ^ 1]) + compiled[middle + 1 :]
    path.write_bytes({"empty": b"", "short": compiled[:-1], "flipped": flipped}[damage])

    assert_good(open_rates(cache, compiler=compiler_of(tmp_path, compiled)))
    assert path.read_bytes() == compiled
    assert "compiled again" in caplog.text


@pytest.mark.parametrize("compiler", [REFUSING, TALKING, ("/no/such/program",)], ids=["fails", "talks", "absent"])
def test_without_a_compiler_the_prices_are_read_in_this_process(
    tmp_path: Path, compiler: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    assert_good(open_rates(tmp_path, compiler=compiler))
    assert "the clerk reads the published prices itself" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_cannot_be_kept_is_used_all_the_same(
    tmp_path: Path, compiled: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    assert_good(open_rates(tmp_path / "absent", compiler=compiler_of(tmp_path, compiled)))
    assert "the next start compiles again" in caplog.text


def test_the_clerk_never_imports_the_published_prices(cache: Path) -> None:
    code = (
        "import pathlib, sys, gantry.clerk.__main__; from gantry.clerk.price_table import open_rates; "
        f"open_rates(pathlib.Path({str(cache)!r})); "
        "print({'genai_prices', 'pydantic', 'httpx2', 'fastapi', 'alembic'} & set(sys.modules))"
    )
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("set()", "")
