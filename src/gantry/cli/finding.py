"""What `gantry doctor` finds: one line of its report, and what to do about it."""

from enum import StrEnum

from msgspec import Struct


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(Struct, frozen=True):
    """One line of the report, and what to do about it."""

    subject: str
    verdict: Verdict
    message: str
    advice: str | None = None


def ok(subject: str, message: str) -> Finding:
    return Finding(subject, Verdict.OK, message)


def warn(subject: str, message: str, advice: str) -> Finding:
    return Finding(subject, Verdict.WARN, message, advice)


def fail(subject: str, message: str, advice: str) -> Finding:
    return Finding(subject, Verdict.FAIL, message, advice)
