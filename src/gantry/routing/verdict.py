"""What a provider's failure says about trying again: whose fault it is, and where the same could still go through.

Law: pure; a failure is judged by what the provider answered, before a byte of the answer is passed on. What is known of
a provider beyond the meaning of a status is in its row.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from gantry.providers.spec import FailureKind, FailureRule

_OF_STATUS: Final = {
    401: FailureKind.CREDENTIAL,
    402: FailureKind.CREDENTIAL,
    403: FailureKind.CREDENTIAL,
    404: FailureKind.MODEL,
    408: FailureKind.TRANSIENT,
    425: FailureKind.TRANSIENT,
    429: FailureKind.LIMIT,
}
_SERVER_ERROR: Final = 500
_NO_FIELDS: Final[Mapping[bytes, bytes]] = {}


def judge(
    rules: Sequence[FailureRule],
    status: int | None,
    fields: Mapping[bytes, bytes] = _NO_FIELDS,
    body: bytes = b"",
) -> FailureKind:
    """Return what a provider's answer says, by its own rules and then by its status.

    A status of None is no answer at all: unreachable, too slow, or cut off. `fields` are the answer's headers, with
    names in lower case; `body` is what came of it, perhaps nothing.
    """
    if status is None or status >= _SERVER_ERROR:
        return FailureKind.TRANSIENT
    return _OF_STATUS.get(status, FailureKind.CALLER)
