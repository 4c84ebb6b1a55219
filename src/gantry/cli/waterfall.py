"""The attempts of a request log as lines for a person: when each was under way, what became of it, and why."""

from collections.abc import Iterator
from typing import Final

from gantry.cli.table import plain
from gantry.core.logged_attempt import LoggedAttempt, read_attempts
from gantry.core.money import usd_from_nano
from gantry.core.request_log import RequestLog

_NS: Final = 1_000_000_000
_CELLS: Final = 20
_BAR, _REST = "━", "·"
_STEPS: Final = {
    "first": "first",
    "rotation": "another deployment",
    "fallback": "the next model",
    "retry": "the same again",
    "hedge": "a hedge beside it",
}
_REASONS: Final = {
    "only": "the only one",
    "weight": "drawn by weight",
    "affinity": "where its conversation is",
    "latency": "the faster one",
    "load": "the less busy one",
    "price": "the cheapest",
    "probe": "to probe it",
    "home": "where what is stored lives",
}


def waterfall_of(log: RequestLog) -> Iterator[str]:
    """Yield a line for each attempt of a log, in the order in which they began."""
    attempts = sorted(read_attempts(log.attempts), key=_began)
    whole = max((_began(attempt) + (attempt.duration or 0) for attempt in attempts), default=0)
    for attempt in attempts:
        parts = (
            f"{_began(attempt) / _NS:7.3f}s",
            _bar(attempt, whole),
            f"{(attempt.duration or 0) / _NS:7.3f}s",
            f"{attempt.status or '-':>3}",
            f"{attempt.outcome:<14}",
            f"{attempt.provider_id}/{attempt.upstream_model or ''} ({attempt.credential_name})",
            *_told(attempt),
        )
        yield plain("  ".join(parts))


def _told(attempt: LoggedAttempt) -> Iterator[str]:
    if attempt.step:
        yield why(attempt.step, attempt.reason, attempt.share, attempt.condition)
    if attempt.cost is not None:
        about = "about " if attempt.cost_estimated else ""
        yield f"{about}${usd_from_nano(attempt.cost):.6f}"
    if attempt.error:
        yield " ".join(attempt.error.split())


def why(step: str, reason: str, share: float | None, condition: str) -> str:
    """Return why there is an attempt, and why at this deployment, in words."""
    because = _REASONS.get(reason, reason)
    if share is not None and reason != "only":
        because += f" ({share:.0%} of the weights)"
    cooling = ", though it was cooling" if condition == "cooling" else ""
    return f"{_STEPS.get(step, step)}: {because}{cooling}"


def _bar(attempt: LoggedAttempt, whole: int) -> str:
    if not whole:
        return _BAR * _CELLS
    start = min(_began(attempt) * _CELLS // whole, _CELLS - 1)
    cells = max(round((attempt.duration or 0) * _CELLS / whole), 1)
    cells = min(cells, _CELLS - start)
    return _REST * start + _BAR * cells + _REST * (_CELLS - start - cells)


def _began(attempt: LoggedAttempt) -> int:
    return attempt.began or 0
