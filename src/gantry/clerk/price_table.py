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


def open_rates(cache: Path, compiler: tuple[str, ...] = COMPILER) -> Rates:
    """Return the rates of this version, from the file in `cache` if there is a good one."""
    try:
        table = _load_table(cache / table_name(), compiler)
    except (CannotCompile, TableDamaged) as error:
        logger.warning("%s; the clerk reads the published prices itself, which costs it 25 MB", error)
        return _rates_without_file()
    return Rates(load_overrides(), table)


def look_up_rates(cache: Path) -> Rates:
    """Return the rates of this version, for who may write nothing."""
    try:
        kept = read_rates(cache)
    except (TableDamaged, OSError):
        kept = None
    return _rates_without_file() if kept is None else kept


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
            compiler, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=SECONDS_TO_COMPILE, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotCompile(f"the prices could not be compiled: {error}") from error
    return done.stdout


def _rates_without_file() -> Rates:
    """Import what this module exists to keep out, because records without prices would be worse."""
    return cast(Rates, importlib.import_module("gantry.prices.load").load_rates())


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
