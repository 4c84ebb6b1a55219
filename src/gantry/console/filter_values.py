"""Values of filters: from what a request says to what the store compares with. Pure.

Law: a value of another type than its field's is refused in words that name what is needed; seconds and dollars become
nanoseconds and nano-dollars exactly.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from gantry.store.full_text import phrases_in
from gantry.store.log_filter import ORDERING, Field, Kind, Operator, Value
from gantry.store.text_patterns import PatternRefused, check_like, check_regex, trigrams_of

LARGEST: Final = 2**63 - 1
_FURTHEST: Final = LARGEST - 2 * 366 * 86_400_000_000_000  # so that the year around a time is one a store can count
_MOST_CHARACTERS: Final = 2000
_BOOLEANS: Final[Mapping[str, bool]] = {"true": True, "1": True, "false": False, "0": False}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Read = Callable[[object], Value]


class ValueRefused(ValueError):
    """A value that its field cannot have; the message goes on after the name of the filter."""


def reader_of(field: Field, operator: Operator) -> Read:
    """Return how a value for this field and operator is read. Raises ValueRefused when called."""
    match field.kind:
        case Kind.NUMBER:
            return _float if not field.scale else _whole if field.scale == 1 else _scaled(field.scale)
        case Kind.FLAG:
            return read_flag
        case Kind.TIME:
            return lambda given: read_time(_text(given))
        case Kind.SAID:
            return _words
        case _:
            return _text_for(operator, may_be_number=field.member is not None)


def read_flag(given: object) -> bool:
    if isinstance(given, bool):
        return given
    flag = _BOOLEANS.get(str(given).lower())
    if flag is None:
        raise ValueRefused(f"needs true or false, not {given!r}")
    return flag


def read_time(text: str) -> int:
    """Return an ISO 8601 time as ns since the epoch; without an offset it is UTC."""
    try:
        # A `+` of an offset that was not percent-encoded arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        since_epoch = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    except (ValueError, OverflowError):
        raise ValueRefused("needs a time in ISO 8601, such as 2026-11-22T10:00:00Z") from None
    whole = (since_epoch.days * 86_400 + since_epoch.seconds) * 1_000_000_000 + since_epoch.microseconds * 1000
    return max(-_FURTHEST, min(whole, _FURTHEST))


def _text_for(operator: Operator, *, may_be_number: bool) -> Read:
    if operator in ORDERING and may_be_number:
        return _number_or_text
    check = {Operator.REGEX: check_regex, Operator.ILIKE: check_like, Operator.SIMILAR: trigrams_of}.get(operator)
    if operator is Operator.WORDS:
        return _words

    def read(given: object) -> str:
        text = _text(given)
        if check is not None:
            try:
                check(text)
            except PatternRefused as error:
                raise ValueRefused(str(error)) from None
        return text

    return read


def _words(given: object) -> str:
    text = _text(given)
    if not phrases_in(text):
        raise ValueRefused(f"needs a word to search for, not {given!r}")
    return text


def _text(given: object) -> str:
    """Return a text; identifiers that were numbers when they were logged were stored as texts."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if not isinstance(given, str | int | float):
        raise ValueRefused(f"needs a text, not {given!r}")
    text = str(given)
    if "\0" in text:
        raise ValueRefused("has a NUL character in its value")
    if len(text) > _MOST_CHARACTERS:
        raise ValueRefused(f"has a value of more than {_MOST_CHARACTERS} characters")
    return text


def _number_or_text(given: object) -> Value:
    """Return what orders metadata: by number when it is compared with one, else as text."""
    text = _text(given)
    try:
        number = float(text)
    except ValueError:
        return text
    return number if abs(number) < 1e99 else text


def _decimal(given: object) -> Decimal:
    try:
        number = Decimal("no" if isinstance(given, bool) else str(given))
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise ValueRefused(f"needs a number, not {given!r}")
    return number


def _whole(given: object) -> int:
    number = _decimal(given)
    if number.adjusted() <= 18 and number != number.to_integral_value():
        raise ValueRefused(f"needs a whole number, not {given!r}")
    return _bounded(number)


def _float(given: object) -> float:
    return float(_decimal(given))


def _scaled(scale: int) -> Read:
    return lambda given: _bounded(_decimal(given), scale)


def _bounded(number: Decimal, scale: int = 1) -> int:
    if number.adjusted() > 18 or abs(number * scale) > LARGEST:
        raise ValueRefused("has a number that no log can have")
    return int((number * scale).to_integral_value())
