"""What a provider's failure says about trying again: whose fault it is, and where the same could still go through.

Law: pure; a failure is judged by what the provider answered, before a byte of the answer is passed on. What is known of
a provider beyond the meaning of a status is in its row.
"""

from collections.abc import Mapping, Sequence, Set
from fnmatch import fnmatchcase
from typing import Final

from gantry.dialects.told_error import ToldError, read_told_error
from gantry.providers.failures import STATUS_OF_TYPE, FailureKind, FailureRule

_OF_STATUS: Final = {
    401: FailureKind.CREDENTIAL,
    402: FailureKind.CREDENTIAL,
    403: FailureKind.CREDENTIAL,
    404: FailureKind.MODEL,
    408: FailureKind.TRANSIENT,
    425: FailureKind.TRANSIENT,
    429: FailureKind.LIMIT,
    508: FailureKind.MODEL,  # it leads to a gateway and back: asking again would go round again
}
_SERVER_ERROR: Final = 500
_NO_FIELDS: Final[Mapping[bytes, bytes]] = {}


def judge(
    rules: Sequence[FailureRule],
    status: int | None,
    fields: Mapping[bytes, bytes] = _NO_FIELDS,
    body: bytes = b"",
) -> FailureKind:
    """Return what a provider's answer says, by the first of the rules that fits, else by its status.

    `fields` are the answer's headers, with names in lower case; `body` is what came of it, perhaps nothing. A status of
    None is no answer at all (unreachable, too slow, or cut off), or, with a body, an error inside a stream. The latter
    has the status that its own code or type names; where it names none, a rule's status is not asked for.
    """
    told = read_told_error(fields, body)
    if status is None:
        status = told.status or _status_of(told.types)
    for rule in rules:
        if _fits(rule, status, told, fields):
            return rule.kind
    if status is None:
        return FailureKind.TRANSIENT
    return _OF_STATUS.get(status, FailureKind.TRANSIENT if status >= _SERVER_ERROR else FailureKind.CALLER)


def _status_of(types: Set[str]) -> int | None:
    return next((status for name, status in STATUS_OF_TYPE.items() if name in types), None)


def _fits(rule: FailureRule, status: int | None, told: ToldError, fields: Mapping[bytes, bytes]) -> bool:
    if rule.status is not None and rule.status != status and (status is not None or _says_no_more(rule)):
        return False
    if rule.code is not None and not _has(told.codes, rule.code):
        return False
    if rule.type is not None and not _has(told.types, rule.type):
        return False
    if rule.message is not None and rule.message.lower() not in told.message:
        return False
    if rule.header is None:
        return True
    name, _, value = rule.header.encode().partition(b": ")
    return fields.get(name, b"").strip().lower() == value


def _says_no_more(rule: FailureRule) -> bool:
    """Whether a rule goes by the status alone."""
    return rule.code is None and rule.type is None and rule.message is None and rule.header is None


def _has(names: Set[str], pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in names)
