"""Rules of a provider that speaks nearly OpenAI's format, as its TOML states them: rename, drop, clamp, default.

Law: only top-level members that a rule names are touched; all other bytes leave as they came. `rename` and `drop` name
parameters as callers do; `clamp` and `default` as the provider does, so they see what was renamed. A parameter given
under both names is taken from the one that is renamed: it is the newer spelling. Null asks for nothing.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct, field

from gantry.dialects.changes import Change, clamped, defaulted, dropped, renamed
from gantry.wire.envelope import Envelope, peek

_NULL: Final = b"null"
_STARTS_OF_NUMBERS: Final = b"-0123456789"


class RequestRules(Struct, frozen=True, forbid_unknown_fields=True):
    """What to do with the parameters of a request. A bound that is None does not bind."""

    rename: dict[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    clamp: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)
    default: dict[str, Any] = field(default_factory=dict)
    omit: tuple[str, ...] = ()  # left out without a word, because something else says it: a path, a header


NO_RULES: Final = RequestRules()


def apply_rules(body: bytes, rules: RequestRules) -> tuple[bytes, list[Change]]:
    """Return a request as its provider takes it, and what was changed. Raises InvalidRequest for what is no object."""
    if rules == NO_RULES:
        return body, []
    envelope = peek(body)
    application = _Application(envelope, rules)
    return envelope.splice(application.replace, application.remove), application.changes


class _Application:
    """The rules of one provider applied to one request."""

    __slots__ = ("_envelope", "_renamed", "changes", "remove", "replace")

    def __init__(self, envelope: Envelope, rules: RequestRules) -> None:
        self._envelope = envelope
        self._renamed: dict[str, str] = {}  # the provider's name → the caller's
        self.replace: dict[str, bytes] = {}
        self.remove: set[str] = set()
        self.changes: list[Change] = []
        for name in rules.drop:
            self._drop(name)
        self.remove.update(rules.omit)
        for name, to in rules.rename.items():
            self._rename(name, to)
        for name, (low, high) in rules.clamp.items():
            self._clamp(name, low, high)
        for name, value in rules.default.items():
            self._default(name, value)

    def _given(self, name: str) -> bytes | None:
        value = self._envelope.get(name)
        return None if value == _NULL else value

    def _drop(self, name: str) -> None:
        if self._given(name) is not None:
            self.changes.append(dropped(name))
        self.remove.add(name)

    def _rename(self, name: str, to: str) -> None:
        value = self._given(name)
        self.remove.add(name)
        if value is None:
            return
        self.replace[to] = value
        self._renamed[to] = name
        self.changes.append(renamed(name, to))

    def _clamp(self, name: str, low: float | None, high: float | None) -> None:
        value = self.replace.get(name, self._given(name))
        if value is None or value[0] not in _STARTS_OF_NUMBERS or name in self.remove:
            return
        number = float(value)
        bound = low if low is not None and number < low else high if high is not None and number > high else None
        if bound is None:
            return
        whole = int(bound) if bound == int(bound) else bound
        self.replace[name] = msgspec.json.encode(whole)
        self.changes.append(clamped(self._renamed.get(name, name), whole))

    def _default(self, name: str, value: Any) -> None:
        if name not in self.replace and self._given(name) is None:
            raw = msgspec.json.encode(value)
            self.replace[name] = raw
            self.changes.append(defaulted(name, f"to {raw.decode()}"))
