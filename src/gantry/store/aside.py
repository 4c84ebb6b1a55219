"""Work that is done while a server works: by a thread beside the one that sends it rows and waits.

Law: pure work, of values that nobody changes meanwhile. Whoever asked for it gets what it returns, or raises.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

_MANY: Final = 200  # things that are worth waking a thread for

_T = TypeVar("_T")


class Aside:
    """One thread, made when it is first needed."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None

    def begin(self, count: int, work: Callable[..., _T], *given: object) -> Callable[[], _T]:
        """Begin some work on so many things, and return how to get what comes of it; of few it is done only then."""
        if count < _MANY:
            return partial(work, *given)
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="aside")
        return self._thread.submit(work, *given).result

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
