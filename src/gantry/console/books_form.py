"""What a request says of an organization's books, as the settings that are to be stored; for the API and the CLI.

Law: what others pay with is the operator's to say: markup, minimum balance, and that calls without a price pass. The
operator's organization is the first one. What is declared elsewhere is changed there.
"""

from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from gantry.core.book_settings import BookSettings, read_markup
from gantry.core.errors import Forbidden, InvalidRequest
from gantry.core.limit_check import LimitRefused
from gantry.core.limit_words import read_amount
from gantry.core.limits import PPM, LimitUnit, Unpriced
from gantry.core.money import usd_from_nano
from gantry.store import Connection
from gantry.store.books import BooksUnreadable, book_settings, books_managed_by, put_book_settings
from gantry.store.control import Change, default_organization
from gantry.store.credentials import ManagedBy

_OPERATORS: Final = ("unpriced", "markup", "minimum_balance")


class BooksForm(Struct, frozen=True, forbid_unknown_fields=True):
    """A request's body; what is left out stays. Amounts are USD; null for `low_balance` wants no alert."""

    unpriced: Unpriced | UnsetType = UNSET
    stop_streams: bool | UnsetType = UNSET
    markup: float | UnsetType = UNSET
    minimum_balance: float | UnsetType = UNSET
    low_balance: float | UnsetType | None = UNSET
    managed_by: Any = UNSET  # of our answers, so that one can be changed and sent back


class BooksItem(Struct, frozen=True, kw_only=True):
    """What holds, as the API shows it; amounts in USD."""

    unpriced: Unpriced
    stop_streams: bool
    markup: float
    minimum_balance: float
    low_balance: float | None
    managed_by: ManagedBy | None


class Decided(Struct, frozen=True):
    """What holds, and what declares it."""

    settings: BookSettings
    managed_by: ManagedBy | None


def read_form(body: bytes) -> BooksForm:
    """Return what a body says. Raises InvalidRequest."""
    try:
        return msgspec.json.decode(body, type=BooksForm)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body does not describe books: {error}.") from None


def decided_by(connection: Connection, organization_id: str) -> Decided:
    """Return what an organization has decided. Raises InvalidRequest where this version cannot read it."""
    try:
        settings = book_settings(connection, organization_id)
    except BooksUnreadable as error:
        raise InvalidRequest(f"This version of Gantry does not read what is kept: {error}.") from None
    return Decided(settings, books_managed_by(connection, organization_id))


def change_books(change: Change, organization_id: str, form: BooksForm, *, by_operator: bool) -> Decided:
    """Store what a form says of an organization's books. Raises InvalidRequest, Forbidden."""
    known = decided_by(change.connection, organization_id)
    if known.managed_by is not None:
        raise Forbidden(f"The books are declared in {known.managed_by}; change them there.")
    try:
        settings = _changed(known.settings, form)
    except LimitRefused as error:
        raise InvalidRequest(f"{error}.", param=error.param) from None
    if not by_operator:
        for name in _OPERATORS:
            if _may_not(name, known.settings, settings):
                raise Forbidden(f"`{name}` is the operator's to set: it says what others pay with.")
    put_book_settings(change, organization_id, settings)
    return Decided(settings, None)


def is_operators(connection: Connection, organization_id: str) -> bool:
    """Say whether an organization is the one that runs this gateway: the first."""
    return organization_id == default_organization(connection)


def books_item(decided: Decided) -> BooksItem:
    """Return settings as the API shows them."""
    settings = decided.settings
    return BooksItem(
        unpriced=settings.unpriced,
        stop_streams=settings.stop_streams,
        markup=settings.markup_ppm / PPM,
        minimum_balance=usd_from_nano(settings.minimum_balance),
        low_balance=None if settings.low_balance is None else usd_from_nano(settings.low_balance),
        managed_by=decided.managed_by,
    )


def _changed(known: BookSettings, form: BooksForm) -> BookSettings:
    said: dict[str, Any] = {
        name: getattr(form, name) for name in ("unpriced", "stop_streams") if getattr(form, name) is not UNSET
    }
    if form.markup is not UNSET:
        said["markup_ppm"] = read_markup(form.markup)
    for name in ("minimum_balance", "low_balance"):
        given = getattr(form, name)
        if given is not UNSET:
            said[name] = None if given is None else read_amount(LimitUnit.COST, given, name)
    return replace(known, **said)


def _may_not(name: str, before: BookSettings, after: BookSettings) -> bool:
    """Say whether a change of a setting takes the operator: one that makes the books stricter does not."""
    if name == "unpriced":
        return before.unpriced is Unpriced.BLOCK and after.unpriced is Unpriced.ALLOW
    if name == "markup":
        return before.markup_ppm != after.markup_ppm
    return before.minimum_balance != after.minimum_balance
