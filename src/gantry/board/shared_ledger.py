"""What the clerk and people do with the counters that several machines share: set right, fill, read, reset.

Law: whoever asks here can wait, and tries again: what the server has not done in time it does not do later. A clerk's
notes are added together with the place that they bring it to, so that what is asked again, because an answer was lost,
is done once. So is filling: what a counter has of the store's sums is written down beside it, and replaced by whoever
adds them up again.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import TracebackType
from typing import Any, Final, TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from gantry.board.all_counters import PART_BITS, Moved, SharedLost, SharedSilent, Standing
from gantry.board.shared_scripts import (
    APPLIED,
    APPLY,
    BEGIN_FILL,
    CORRECT,
    END_FILL,
    FILL,
    FILLED,
    FILLER,
    FILLING,
    LATE,
    LOST,
    MADE,
    PREFIX,
    READ,
    STAND,
    SUMMED,
    ask_apply,
    ask_correct,
    ask_fill,
    ask_read,
)
from gantry.core.limits import Counted, CounterKind, CounterTerms
from gantry.core.secret import Secret

__all__ = ["SharedLedger", "SharedLost", "SharedSilent", "Standing"]

_AT_ONCE: Final = 500  # counters of one question: a server of one thread makes calls wait for less than a millisecond
_LAST_PART: Final = (1 << PART_BITS) - 1
_FILLER_MS: Final = 20_000  # a clerk that fills and says nothing for so long is gone

T = TypeVar("T")


class SharedLedger:
    """For one thread. Everything raises SharedSilent."""

    def __init__(self, url: Secret, *, timeout: float = 2.0) -> None:
        self._timeout = timeout
        self._client = Redis.from_url(
            url.reveal(), socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0)
        )

    def __enter__(self) -> "SharedLedger":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    @property
    def is_new(self) -> bool:
        """Whether what the store knew when the server began to count is still to be added."""
        return not self.stand("").is_filled

    def stand(self, clerk: str) -> Standing:
        made, is_filled, place, summed = self._ask(STAND, [MADE, FILLED, APPLIED, SUMMED], [clerk])[2:]
        return Standing(int(made), bool(is_filled), int(place), int(summed))

    # Filling

    def begin_fill(self, clerk: str) -> int | None:
        """Return since when the counters lack the store's sums, if this clerk is to add them; else None."""
        made, is_ours = self._ask(BEGIN_FILL, [MADE, FILLED, FILLER], [clerk, _FILLER_MS])[2:]
        return int(made) if is_ours else None

    def fill(self, clerk: str, made: int, amounts: Iterable[tuple[CounterTerms, int]], now: int) -> int:
        """Let counters have what the store knows of the windows that are on; return how many had something else.

        Raises SharedLost where another clerk has taken over.
        """
        count = 0
        for some in _parts(one for one in amounts if one[0].kind is CounterKind.WINDOW):
            keys, arguments = ask_fill(some, now)
            count += self._ask(FILL, keys, [clerk, _FILLER_MS, made, *arguments])[2]
        return count

    def end_fill(self, clerk: str, made: int, summed: Mapping[str, int]) -> None:
        """Say that all is added, of sums in which the rows of these notes were, by clerk. Raises SharedLost."""
        pairs = [one for pair in summed.items() for one in pair]
        self._ask(END_FILL, [MADE, FILLER, FILLING, FILLED, SUMMED], [clerk, made, *pairs])

    # Setting right

    def apply(self, clerk: str, standing: Standing, number: int, moved: Sequence[Moved]) -> None:
        """Add what a clerk's note says, once; part by part where it is much. Raises SharedLost."""
        parts = list(_parts(moved)) or [[]]
        for index, part in enumerate(parts):
            place = number << PART_BITS | (_LAST_PART if index + 1 == len(parts) else index)
            if place > standing.place:
                keys, arguments = ask_apply(part)
                self._ask(APPLY, keys, [clerk, standing.made, place, *arguments])

    def correct(self, counted: Counted, amount: int, now: int) -> bool:
        """Add a difference to what a record has counted. What is asked again is added again."""
        if counted.kind == CounterKind.GAUGE:
            return False
        self._ask(CORRECT, *ask_correct(counted, amount))
        return True

    # People's

    def read(self, terms: CounterTerms, now: int) -> int:
        """Return what is counted at a moment."""
        return int(self._ask(READ, *ask_read((terms,), now))[3])

    def reset(self, keys: Iterable[bytes]) -> int:
        """Let counters begin anew, in all their windows; return how many there were."""
        wanted, gone = {key.hex() for key in keys}, 0
        for name in self._guarded(lambda: list(self._client.scan_iter(match=f"{PREFIX}[01]:*", count=1000))):
            if name.decode().split(":")[3] in wanted:
                gone += int(self._guarded(lambda name=name: self._client.delete(name)))
        return gone

    def _ask(self, script: str, keys: Sequence[str], arguments: Sequence[str | int]) -> list[Any]:
        seconds, microseconds = self._guarded(self._client.time)
        deadline = seconds * 1_000_000 + microseconds + int(self._timeout * 1_000_000)
        began = time.monotonic()
        answer = self._guarded(lambda: self._client.eval(script, len(keys), *keys, deadline, *arguments))
        if answer[0] == LATE:
            raise SharedSilent(f"the shared counters answered after {time.monotonic() - began:.1f} s")
        if answer[0] == LOST:
            raise SharedLost("the shared counters were lost, or another clerk fills them")
        return list(answer)

    def _guarded(self, ask: Any) -> Any:
        try:
            return ask()
        except (RedisError, OSError) as error:
            raise SharedSilent(f"the shared counters do not answer: {error}") from error


def _parts(many: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(many)
    while part := list(islice(rest, _AT_ONCE)):
        yield part
