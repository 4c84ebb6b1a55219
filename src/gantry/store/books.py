"""What organizations have decided about money beside their limits, kept as one setting of each."""

from typing import Final

import msgspec
from sqlalchemy import Connection, select

from gantry.core.book_settings import DEFAULT_BOOKS, SETTING, BookSettings
from gantry.store.control import Change, put_setting
from gantry.store.control_tables import settings
from gantry.store.credentials import ManagedBy

_MANAGED: Final = "books_managed_by"


_decode: Final = msgspec.json.Decoder(BookSettings).decode


class BooksUnreadable(ValueError):
    """What is kept is not what this version of Gantry writes; the message says where."""


def book_settings(connection: Connection, organization_id: str) -> BookSettings:
    """Return what an organization has decided. Raises BooksUnreadable."""
    text = _kept(connection, organization_id, SETTING)
    if text is None:
        return DEFAULT_BOOKS
    try:
        return _decode(text)
    except msgspec.DecodeError as error:
        raise BooksUnreadable(str(error)) from error


def put_book_settings(
    change: Change, organization_id: str, decided: BookSettings, *, managed_by: ManagedBy | None = None
) -> None:
    put_setting(change, organization_id, SETTING, decided)
    if managed_by is not books_managed_by(change.connection, organization_id):
        put_setting(change, organization_id, _MANAGED, managed_by)


def books_managed_by(connection: Connection, organization_id: str) -> ManagedBy | None:
    """Return what declares these settings; None where people say them."""
    text = _kept(connection, organization_id, _MANAGED)
    return None if text is None else msgspec.json.decode(text, type=ManagedBy | None)


def _kept(connection: Connection, organization_id: str, name: str) -> str | None:
    query = select(settings.c.value).where(settings.c.organization_id == organization_id, settings.c.name == name)
    value: str | None = connection.scalar(query)
    return value
