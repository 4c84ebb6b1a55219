"""Where a call goes when an attempt failed: to another credential, to the next model, to the same again, or nowhere.

Law: pure, and it comes to an end, for a call makes `MOST_ATTEMPTS` at most. What is the caller's fault is told to the
caller and tried nowhere else.

In this order: a credential that was not tried yet, at once; then the models that the caller would take instead, at
once, each with all of its credentials; then the last of them again, after a pause that doubles.
"""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from gantry.providers.spec import FailureKind

MOST_ATTEMPTS: Final = 12
LONGEST_PAUSE: Final = 10.0  # seconds; who is asked to wait for longer is no help to a caller who waits
_JITTER: Final = 0.2  # of a pause, both ways: callers that failed together must not come back together


# By another credential of the same provider.
_MOVABLE: Final = (FailureKind.CREDENTIAL, FailureKind.LIMIT, FailureKind.CAPACITY, FailureKind.TRANSIENT)
_PASSING: Final = (FailureKind.LIMIT, FailureKind.CAPACITY, FailureKind.TRANSIENT)


class Retries(Struct, frozen=True):
    """How often the same is asked again, and how many seconds the first pause takes."""

    count: int = 0
    pause: float = 0.2


NO_RETRIES: Final = Retries()


class Step(Struct, frozen=True):
    """Where the next attempt goes: a model, the credentials that it must not use, and the seconds before it."""

    model: str | None
    avoid: frozenset[str] = frozenset()
    pause: float = 0.0


class Itinerary:
    """The steps that one call has left."""

    __slots__ = ("_attempts", "_draw", "_failed", "_fallbacks", "_model", "_retried", "_retries", "_tried")

    def __init__(
        self, model: str | None, fallbacks: Sequence[str], retries: Retries, draw: Callable[[], float]
    ) -> None:
        """`draw` gives numbers in [0, 1)."""
        self._model = model
        self._fallbacks = [name for name in dict.fromkeys(fallbacks) if name != model]
        self._retries = retries
        self._draw = draw
        self._attempts = 1
        self._retried = 0
        self._tried: set[str] = set()
        self._failed: tuple[str | None, FailureKind, float | None] = model, FailureKind.CALLER, None  # of the last

    def after(
        self, kind: FailureKind, credential_id: str, candidates: Sequence[str], retry_after: float | None = None
    ) -> Step | None:
        """Return the step after an attempt with one of the candidates (ids of credentials) failed; None to give up.

        `retry_after` is what the provider asked for, in seconds.
        """
        if kind is FailureKind.CALLER or self._attempts >= MOST_ATTEMPTS:
            return None
        self._attempts += 1
        self._tried.add(credential_id)
        self._failed = self._model, kind, retry_after
        if kind in _MOVABLE and not self._tried.issuperset(candidates):
            return Step(self._model, frozenset(self._tried))
        return self.pass_over()

    def pass_over(self) -> Step | None:
        """Return the step to the next model, also from one that cannot be asked; else to the last again, or None."""
        if not self._fallbacks:
            self._model, kind, retry_after = self._failed
            return self._again(kind, retry_after)
        self._model = self._fallbacks.pop(0)
        self._tried.clear()
        return Step(self._model)

    def _again(self, kind: FailureKind, retry_after: float | None) -> Step | None:
        if kind not in _PASSING or self._retried >= self._retries.count:
            return None
        if retry_after is not None and retry_after > LONGEST_PAUSE:
            return None
        pause = self._retries.pause * 2**self._retried * (1 - _JITTER + 2 * _JITTER * self._draw())
        self._retried += 1
        self._tried.clear()
        return Step(self._model, pause=min(max(pause, retry_after or 0.0), LONGEST_PAUSE))
