"""An attempt as a request log keeps it: who was asked and why, what became of it, and what it cost where that is told.

Law: what is at its default is not written, so that the log of a call answered at the first try stays small. Times are
nanoseconds, money is nano-dollars.
"""

from typing import Final

import msgspec
from msgspec import Struct


class LoggedAttempt(Struct, frozen=True, omit_defaults=True, gc=False):
    """The first fields are those of `journal.frames.AttemptRecord`, in its order."""

    provider_id: str
    credential_id: str
    credential_name: str
    upstream_model: str | None = None
    tier: str = ""
    status: int | None = None
    outcome: str = ""
    error: str | None = None
    connect: int | None = None
    first_byte: int | None = None
    duration: int | None = None
    upstream_host: str | None = None
    began: int | None = None
    step: str = ""
    reason: str = ""
    share: float | None = None
    condition: str = ""
    unsent: bool = False
    cost: int | None = None  # where a call was hedged; else it is the log's
    cost_estimated: bool = False
    # Of the one that answered, what its price depended on and nothing else in the log tells.
    service_tier: str | None = None  # as the answer named it: what was billed, not what was asked
    priced_as: str | None = None  # the model that the answer named, where the one that was asked for has no price
    turned_to: str | None = None  # the model as the call was told to ask for it, where that is not what was requested


_decode: Final = msgspec.json.Decoder(list[LoggedAttempt]).decode


def read_attempts(text: str | None) -> list[LoggedAttempt]:
    """Return the attempts in a log; none where it has none, or they are of a form that this version cannot read."""
    if text is None:
        return []
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return []
