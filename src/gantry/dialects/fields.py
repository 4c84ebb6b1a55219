"""Reading a JSON object of many optional fields, one at a time, with a plain sentence for each that is wrong.

Law: a field that is absent or null is None; a field that was read is gone from `rest`. The same readers serve a log
that a user posts, where a wrong type is the caller's to mend, and parameters of a call already made, where it is a
warning.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Raw

from gantry.core.errors import InvalidRequest
from gantry.dialects.members import UNREADABLE

IDENTIFIER_LENGTH: Final = 254
_NS_PER_SECOND: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FINER: Final = re.compile(r"[.,]\d{6}(\d{1,3})")
_MAX_SECONDS: Final = 10 * 366 * 86_400
_IDENTIFIER: Final = str | int | float
_OBJECT: Final = dict[str, Raw]
# Made once: a decoder costs more to make than a field to read. Numbers and flags may stand in strings.
_DECODERS: Final[Mapping[Any, msgspec.json.Decoder[Any]]] = {
    **{strict: msgspec.json.Decoder(strict) for strict in (_IDENTIFIER, str, _OBJECT)},
    **{lax: msgspec.json.Decoder(lax, strict=False) for lax in (int, bool, Decimal)},
}


class Fields:
    """The members of one JSON object that are still to be read."""

    __slots__ = ("problems", "rest")

    def __init__(self, members: dict[str, Raw], problems: list[str] | None = None) -> None:
        """Take the members; wrong ones are raised as InvalidRequest, or noted when a list for problems is given."""
        self.rest = members
        self.problems = problems

    def identifier(self, *names: str, limit: int = IDENTIFIER_LENGTH) -> str | None:
        """Read a string or number as text, cut to the limit; the first name that has a value wins."""
        for name in names:
            if name not in self.rest:  # most are not there
                continue
            value = self._read(name, _IDENTIFIER, "a string or a number")
            if value is not None and value != "":
                return str(value)[:limit]
        return None

    def text(self, *names: str) -> str | None:
        for name in names:
            value: str | None = self._read(name, str, "a string")
            if value is not None:
                return value
        return None

    def flag(self, name: str) -> bool | None:
        value: bool | None = self._read(name, bool, "true or false")
        return value

    def count(self, name: str, at_most: int = 10**15) -> int | None:
        value: int | None = self._read(name, int, "a whole number")
        if value is not None and not 0 <= value <= at_most:
            self._refuse(name, f"a whole number from 0 to {at_most}")
            return None
        return value

    def amount(self, name: str, at_most: int) -> Decimal | None:
        value: Decimal | None = self._read(name, Decimal, "a number")
        if value is not None and not (value.is_finite() and 0 <= value <= at_most):
            self._refuse(name, f"a number from 0 to {at_most}")
            return None
        return value

    def seconds(self, *names: str) -> int | None:
        """Read a duration in seconds as nanoseconds; the first name that has a value wins."""
        for name in names:
            value = self.amount(name, _MAX_SECONDS)
            if value is not None:
                return int(value * _NS_PER_SECOND)
        return None

    def moment(self, name: str) -> int | None:
        """Read an ISO 8601 time as nanoseconds since the epoch; without a zone it is UTC."""
        value = self._read(name, str, "an ISO 8601 time such as 2026-11-22T10:00:00Z")
        if value is None:
            return None
        try:
            parsed = datetime.fromisoformat(value)
            aware = parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
            since_epoch = aware - _EPOCH
        except (ValueError, OverflowError):
            self._refuse(name, "an ISO 8601 time such as 2026-11-22T10:00:00Z")
            return None
        if since_epoch < timedelta(0):
            self._refuse(name, "a time after 1970")
            return None
        finer = _FINER.search(value)  # than a datetime holds
        return since_epoch // timedelta(microseconds=1) * 1000 + (int(finer[1].ljust(3, "0")) if finer else 0)

    def json_object(self, name: str) -> bytes | None:
        """Read an object, or a string that holds one, as JSON."""
        raw = self.raw(name)
        if raw is None:
            return None
        if raw.startswith(b'"'):
            text = self._convert(name, raw, str, "a JSON object")
            raw = text.encode() if text is not None else b""
        return raw if self._convert(name, raw, _OBJECT, "a JSON object") is not None else None

    def members(self, name: str) -> dict[str, Raw]:
        """Read an object as its members; empty when it is absent."""
        raw = self.json_object(name)
        return {} if raw is None else _DECODERS[_OBJECT].decode(raw)

    def raw(self, name: str) -> bytes | None:
        """Take a field as the JSON it was sent as."""
        raw = self.rest.pop(name, None)
        if raw is None:
            return None
        value = bytes(raw)
        return None if value == b"null" else value

    def text_or_json(self, name: str) -> str | None:
        """Take a string as itself and anything else as JSON text."""
        raw = self.raw(name)
        if raw is None:
            return None
        if raw.startswith(b'"'):
            text: str | None = self._convert(name, raw, str, "a string")
            return text
        return raw.decode("utf-8", "replace")

    def _read(self, name: str, expected: Any, wanted: str) -> Any:
        raw = self.rest.pop(name, None)
        if raw is None:
            return None
        value = bytes(raw)
        return None if value == b"null" else self._convert(name, value, expected, wanted)

    def _convert(self, name: str, raw: bytes, expected: Any, wanted: str) -> Any:
        try:
            return _DECODERS[expected].decode(raw)
        except UNREADABLE:
            self._refuse(name, wanted)
            return None

    def _refuse(self, name: str, wanted: str) -> None:
        if self.problems is None:
            raise InvalidRequest(f"`{name}` must be {wanted}", param=name)
        self.problems.append(f"{name}: must be {wanted}, ignored")


def object_members(body: bytes, what: str) -> dict[str, Raw]:
    """Return the members of a JSON object. Raises InvalidRequest saying what the object was to be."""
    try:
        members: dict[str, Raw] = _DECODERS[_OBJECT].decode(body)
        return members
    except UNREADABLE as error:
        raise InvalidRequest(f"{what} must be a JSON object: {_first_line(error)}") from None


def _first_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0]
