"""What was done to a request's parameters on its way to a provider, told in one short line each.

Law: the line has one form, `parameter: action detail`, because people grep for it. Dropping is the only action that
loses something the caller said; strict callers are refused then instead. What asks for nothing (`store: false`) is left
out without a word.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from gantry.core.errors import InvalidRequest

_HEADER_LIMIT: Final = 1024


class Action(StrEnum):
    RENAMED = "renamed"
    CLAMPED = "clamped"
    DEFAULTED = "defaulted"
    DROPPED = "dropped"
    CONVERTED = "converted"


class Change(Struct, frozen=True):
    """One parameter, by the name the caller knows it by: `tools[0].function.parameters`."""

    parameter: str
    action: Action
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.parameter}: {self.action} {self.detail}".rstrip()


def renamed(parameter: str, to: str) -> Change:
    return Change(parameter, Action.RENAMED, f"to {to}")


def clamped(parameter: str, to: float) -> Change:
    return Change(parameter, Action.CLAMPED, f"to {to}")


def dropped(parameter: str, why: str = "") -> Change:
    return Change(parameter, Action.DROPPED, why)


def converted(parameter: str, how: str) -> Change:
    return Change(parameter, Action.CONVERTED, how)


def defaulted(parameter: str, to: str = "") -> Change:
    return Change(parameter, Action.DEFAULTED, to)


def each_once(changes: Iterable[Change]) -> list[Change]:
    """Return changes without those that say again what was said."""
    return list(dict.fromkeys(changes))


def refuse_drops(changes: Iterable[Change]) -> None:
    """Raise InvalidRequest when something was dropped; for callers who asked to be told rather than helped."""
    for change in changes:
        if change.action is Action.DROPPED:
            reason = f" ({change.detail})" if change.detail else ""
            raise InvalidRequest(
                f"`{change.parameter}` is not taken by the provider of this model{reason}. "
                "Leave it out, or allow dropping by turning strict mode off.",
                param=change.parameter,
            )


def header_value(changes: Sequence[Change | str], limit: int = _HEADER_LIMIT) -> bytes:
    """Return the changes as the value of a header: printable ASCII, for parameters are named by callers."""
    lines: list[str] = []
    size = 0
    for number, change in enumerate(changes):
        line = "".join(one if " " <= one <= "~" else "?" for one in str(change))
        size += len(line) + 2
        if size > limit:
            lines.append(f"and {len(changes) - number} more")
            break
        lines.append(line)
    return "; ".join(lines).encode("ascii")
