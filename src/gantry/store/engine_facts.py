"""What a database is, and how large: for whoever looks after the machine."""

from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, text

_SQLITE: Final = text("SELECT sqlite_version(), page_count * page_size FROM pragma_page_count, pragma_page_size")
_POSTGRESQL: Final = text("SELECT current_setting('server_version'), pg_database_size(current_database())")


class EngineFacts(Struct, frozen=True):
    """`size_bytes` is of the whole database; of SQLite, without what its log still holds."""

    engine: str
    version: str
    size_bytes: int


def engine_facts(connection: Connection) -> EngineFacts:
    engine = connection.dialect.name
    version, size = connection.execute(_SQLITE if engine == "sqlite" else _POSTGRESQL).one()
    return EngineFacts(engine, str(version), int(size))
