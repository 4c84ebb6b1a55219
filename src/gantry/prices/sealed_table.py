"""The compiled prices as they are kept in a file: the file's name, and its bytes behind a digest.

Law: the name says all that the table was made from, so a file is never out of date and is read once; a damaged one is
known as such, because a flipped bit would be a wrong price.
"""

import hashlib
from importlib import import_module
from pathlib import Path
from typing import Final

import msgspec

from gantry.prices.table import PriceTable, decode_table

STEM: Final = "prices-"
_DIGEST_BYTES: Final = 32
_METADATA: Final = "importlib.metadata"  # 2 MB, for who asks for prices


class TableDamaged(ValueError):
    """The bytes are not those of a table."""


def table_name(data_digest: str = "") -> str:
    """Return the file's name: the version of the published prices, and a digest of all of `gantry.prices`.

    `data_digest` is that of the data, where it is not what came with this version.
    """
    digest = hashlib.sha256(data_digest.encode())
    for entry in sorted(Path(__file__).parent.iterdir(), key=lambda entry: entry.name):
        if entry.is_file():
            content = entry.read_bytes()
            digest.update(f"{entry.name} {len(content)}\n".encode())
            digest.update(content)
    version = import_module(_METADATA).version("genai-prices")
    return f"{STEM}{version}-{digest.hexdigest()[:16]}"


def seal_table(encoded: bytes) -> bytes:
    """Return an encoded table as it is kept: behind its digest."""
    return hashlib.sha256(encoded).digest() + encoded


def open_table(data: bytes) -> PriceTable:
    """Return the table in a file's bytes. Raises TableDamaged."""
    encoded = data[_DIGEST_BYTES:]
    if hashlib.sha256(encoded).digest() != data[:_DIGEST_BYTES]:
        raise TableDamaged(f"the {len(data)} bytes of the table do not match their digest")
    try:
        return decode_table(encoded)
    except msgspec.DecodeError as error:
        raise TableDamaged(str(error)) from None
