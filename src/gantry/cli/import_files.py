"""Files of an import: read a chunk at a time, packed or not; and written so that their owner alone reads them."""

import gzip
import os
import zlib
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import msgspec

from gantry.imports.plan import ImportRefused

_CHUNK = 1024 * 1024
_LARGEST = 64 * 1024 * 1024  # of a configuration
_GZIP = b"\x1f\x8b"


def chunks_of(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes. Raises ClickException."""
    try:
        with path.open("rb") as plain:
            packed = plain.peek(2)[:2] == _GZIP
            stream = gzip.GzipFile(fileobj=plain) if packed else plain
            while chunk := stream.read(_CHUNK):
                yield chunk
    except (OSError, EOFError, zlib.error) as error:
        raise click.ClickException(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def text_of(path: Path) -> str:
    """Return a configuration's text. Raises ClickException."""
    data = b""
    for chunk in chunks_of(path):
        data += chunk
        if len(data) > _LARGEST:
            raise click.ClickException(f"{path} is larger than {_LARGEST // 1024 // 1024} MB: that is no configuration")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{path} is no text: {error}") from error


def yaml_of(path: Path) -> tuple[Any, dict[str, int]]:
    """Return what a YAML file says, and the line of each member. Raises ClickException."""
    if find_spec("yaml") is None:
        raise click.ClickException("YAML needs the extra import; install llm-gantry[import]")
    reader = import_module("gantry.imports.yaml_document")
    try:
        document = reader.read_yaml(text_of(path))
    except ImportRefused as error:
        raise click.ClickException(f"{path}: {error}") from error
    return document.value, document.lines


def json_of(path: Path) -> Any:
    """Return what a JSON file says. Raises ClickException."""
    try:
        return msgspec.json.decode(text_of(path))
    except (msgspec.DecodeError, RecursionError) as error:
        raise click.ClickException(f"{path} is no JSON: {error}") from error


def check_new(*paths: Path | None) -> None:
    """Raise ClickException for a file that is to be written later and could not be: before anything is done."""
    for path in paths:
        if path is not None and os.path.lexists(path):
            raise click.ClickException(f"{path} is there already; name another file")
        if path is not None and not path.absolute().parent.is_dir():
            raise click.ClickException(f"{path} cannot be written: there is no folder {path.absolute().parent}")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, and that is not there yet. Raises ClickException."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise click.ClickException(f"{path} is there already; name another file") from error
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from error
