"""The clerk's rates: the published prices, compiled once by a short process and kept as a file under `cache/`.

Law: the clerk never imports genai-prices itself, which would cost it 25 MB and half a second of each start. A damaged
file is made anew; see `gantry.prices.sealed_table` for what stands in it.
"""

import importlib
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final, cast

import msgspec

from gantry.prices.changes import Malformed
from gantry.prices.folder import Import, PriceFolder, PricesDamaged
from gantry.prices.kept import read_rates
from gantry.prices.overrides import load_overrides
from gantry.prices.rates import Rates
from gantry.prices.sealed_table import STEM, TableDamaged, open_table, table_name
from gantry.prices.table import PriceTable

COMPILER: Final = (sys.executable, "-P", "-m", "gantry.clerk.compile_prices")
SECONDS_TO_COMPILE: Final = 60.0

logger = logging.getLogger(__name__)


class CannotCompile(Exception):
    """The short process made no table; the message says why."""


def open_rates(cache: Path, folder: PriceFolder | None = None, *, compiler: tuple[str, ...] = COMPILER) -> Rates:
    """Return the rates of this machine, from the file in `cache` if there is a good one."""
    return Rates(load_overrides(), open_published(cache, folder, compiler=compiler), _operated(folder))


def open_published(
    cache: Path, folder: PriceFolder | None = None, *, compiler: tuple[str, ...] = COMPILER
) -> PriceTable:
    """Return the published prices that hold: those that were imported, or else those of this version.

    Data that cannot be compiled does not hold: what came with this version does, and that is said.
    """
    imported = _current(folder)
    if folder is not None and imported is not None:
        try:
            return _load_table(
                cache / table_name(imported.digest), (*compiler, str(folder.data_of(imported)), imported.version)
            )
        except (CannotCompile, TableDamaged) as error:
            logger.error("the imported prices %s do not hold: %s", imported.version, error)
    try:
        return _load_table(cache / table_name(), compiler)
    except (CannotCompile, TableDamaged) as error:
        logger.warning("%s; the clerk reads the published prices itself, which costs it 25 MB", error)
        return _without_file()


def compile_data(file: Path, version: str, compiler: tuple[str, ...] = COMPILER) -> tuple[bytes, tuple[Malformed, ...]]:
    """Return the sealed table of a file of data, and what of it cannot be read. Raises CannotCompile."""
    try:
        done = subprocess.run(
            (*compiler, str(file), version), stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS_TO_COMPILE
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotCompile(f"the prices could not be compiled: {error}") from error
    if done.returncode != 0:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise CannotCompile(last.partition("DataUnreadable: ")[2] or last)
    return done.stdout, msgspec.json.decode(done.stderr, type=tuple[Malformed, ...])


def keep_table(cache: Path, imported: Import, sealed: bytes) -> None:
    """Keep the table of data that is about to hold, for who reads it and compiles nothing."""
    (cache / table_name(imported.digest)).write_bytes(sealed)


def look_up_rates(cache: Path, folder: PriceFolder | None = None) -> Rates:
    """Return the rates of this machine, for who may write nothing."""
    try:
        kept = read_rates(cache, folder)
    except (TableDamaged, PricesDamaged, OSError):
        kept = None
    return Rates(load_overrides(), _without_file(), _operated(folder)) if kept is None else kept


def _current(folder: PriceFolder | None) -> Import | None:
    try:
        return None if folder is None else folder.current()
    except PricesDamaged as error:
        logger.error("%s; the prices of this version hold", error)
        return None


def _operated(folder: PriceFolder | None) -> PriceTable | None:
    try:
        return None if folder is None else folder.operator_table()
    except PricesDamaged as error:
        logger.error("%s; your own prices do not hold", error)
        return None


def _load_table(path: Path, compiler: tuple[str, ...]) -> PriceTable:
    try:
        return open_table(path.read_bytes())
    except FileNotFoundError:
        logger.info("compiling the prices into %s", path)
    except (TableDamaged, OSError) as error:
        logger.warning("the prices in %s cannot be used and are compiled again: %s", path, error)
    data = _compile(compiler)
    table = open_table(data)
    try:
        _keep(path, data)
    except OSError as error:
        logger.warning("the compiled prices cannot be kept in %s, so the next start compiles again: %s", path, error)
    return table


def _compile(compiler: tuple[str, ...]) -> bytes:
    try:
        done = subprocess.run(
            compiler,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS_TO_COMPILE,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotCompile(f"the prices could not be compiled: {error}") from error
    return done.stdout


def _without_file() -> PriceTable:
    """Import what this module exists to keep out, because records without prices would be worse."""
    return cast(PriceTable, importlib.import_module("gantry.prices.published").compile_published())


def _keep(path: Path, data: bytes) -> None:
    """Write the file aside and rename it into place, and remove those of other versions."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        aside.write_bytes(data)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    for other in path.parent.glob(f"{STEM}*"):
        if other != path:
            other.unlink(missing_ok=True)
