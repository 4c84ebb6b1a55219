"""The third loop's step: deliveries that are due go out, each on its own, and what became of them is stored.

Law: what is due is claimed in a transaction before it goes out, and settled in another after it. Whoever dies between
them has it delivered again, once the claim is over, with the same id. A channel that is slow or gone has few
deliveries under way and holds up no other; what fails is tried again ever later, and given up after `MOST_ATTEMPTS`. A
turn takes the store's lock for two short statements, and only when there is something to say.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

from gantry.clerk.alert_book import AlertBook
from gantry.clerk.courier import DeliveryFailed
from gantry.store.alert_channels import Channel
from gantry.store.alerts import (
    Delivered,
    Delivery,
    bury_orphans,
    claim_due,
    due_among,
    prune_deliveries,
    settle,
)
from gantry.store.logs import LogStore

MOST_ATTEMPTS: Final = 12  # in about two and a half hours
FIRST_PAUSE: Final = 5.0  # seconds
LONGEST_PAUSE: Final = 3600.0
MOST_FOR_CHANNEL: Final = 4  # deliveries under way
MOST: Final = 32
CLAIMED_SECONDS: Final = 60.0  # longer than any attempt takes
_TURN_SECONDS: Final = 0.2
_TIDY_EVERY: Final = 60.0
_PARTING_SECONDS: Final = 3.0
_NS: Final = 1_000_000_000

logger = logging.getLogger(__name__)


class Carrier(Protocol):
    async def deliver(self, channel: Channel, delivery: Delivery) -> None: ...


def pause_after(attempts: int, draw: float) -> float:
    """Return the seconds until the next attempt: doubled with each, and spread by a draw from 0 to 1."""
    return float(min(FIRST_PAUSE * 2 ** (attempts - 1), LONGEST_PAUSE) * (0.5 + draw))


class Deliverer:
    """For one thread, whose loop runs only within `step` and `close`."""

    def __init__(
        self,
        book: AlertBook,
        logs: LogStore,
        carrier: Carrier,
        loop: asyncio.AbstractEventLoop,
        *,
        clock: Callable[[], int] = time.time_ns,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._book = book
        self._logs = logs
        self._carrier = carrier
        self._loop = loop
        self._clock = clock
        self._draw = draw
        self._under_way: dict[asyncio.Task[str | None], Delivery] = {}
        self._results: list[Delivered] = []
        self._tidied = 0

    def step(self) -> bool:
        """Settle, claim and send, and return whether anything is under way. Raises StoreUnavailable."""
        self._book.refresh()
        self._settle()
        for channel, delivery in self._claim():
            task = self._loop.create_task(self._attempt(channel, delivery))
            self._under_way[task] = delivery
        self._loop.run_until_complete(self._turn(_TURN_SECONDS))
        return bool(self._under_way or self._results)

    def close(self) -> None:
        """Wait a moment for what is under way, and settle it; the rest is claimed again by whoever comes next."""
        if self._under_way:
            self._loop.run_until_complete(self._turn(_PARTING_SECONDS, asyncio.ALL_COMPLETED))
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            self._loop.run_until_complete(asyncio.wait(self._under_way))
        self._settle()

    async def _turn(self, seconds: float, until: str = asyncio.FIRST_COMPLETED) -> None:
        """Let the loop go round, until something has ended or the time is over."""
        if not self._under_way:
            await asyncio.sleep(0)
            return
        done, _ = await asyncio.wait(self._under_way, timeout=seconds, return_when=until)
        for task in done:
            self._results.append(self._result(self._under_way.pop(task), task.result()))

    async def _attempt(self, channel: Channel, delivery: Delivery) -> str | None:
        """Return why it did not arrive; None when it did."""
        try:
            await self._carrier.deliver(channel, delivery)
        except DeliveryFailed as error:
            return str(error)
        except Exception as error:  # the boundary of an attempt: it must end in words
            logger.exception("delivering to the channel %s failed as nothing here foresees", channel.id)
            return f"a fault of the gateway's: {type(error).__name__}"
        return None

    def _result(self, delivery: Delivery, error: str | None) -> Delivered:
        now = self._clock()
        if error is None:
            return Delivered(delivery, now)
        if delivery.attempts >= MOST_ATTEMPTS:
            logger.warning("%s is given up after %d attempts: %s", delivery.id, delivery.attempts, error)
            return Delivered(delivery, now, error)
        pause = pause_after(delivery.attempts, self._draw())
        return Delivered(delivery, now, error, now + int(pause * _NS))

    def _settle(self) -> None:
        now = self._clock()
        is_tidy = now - self._tidied < _TIDY_EVERY * _NS
        if is_tidy and not self._results:
            return
        with self._logs.writing() as connection:
            settle(connection, self._results)
            if not is_tidy:
                known = [channel.id for channel in self._book.channels]
                bury_orphans(connection, known, now - int(_TIDY_EVERY * _NS))
                prune_deliveries(connection, now)
        self._results.clear()
        self._tidied = self._tidied if is_tidy else now

    def _claim(self) -> list[tuple[Channel, Delivery]]:
        """Take what is due, as much of each channel as may be under way beside what is."""
        now, until = self._clock(), self._clock() + int(CLAIMED_SECONDS * _NS)
        busy = Counter(delivery.channel_id for delivery in self._under_way.values())
        free = MOST - len(self._under_way)
        open_channels = [one for one in self._book.channels if one.enabled and busy[one.id] < MOST_FOR_CHANNEL]
        if free <= 0 or not open_channels:
            return []
        with self._logs.reading() as connection:
            due = set(due_among(connection, (channel.id for channel in open_channels), now))
        if not due:
            return []
        claimed: list[tuple[Channel, Delivery]] = []
        with self._logs.writing() as connection:
            for channel in open_channels:
                if channel.id in due:
                    most = min(MOST_FOR_CHANNEL - busy[channel.id], free - len(claimed))
                    found = claim_due(connection, channel.id, now, until, most) if most > 0 else []
                    claimed.extend((channel, delivery) for delivery in found)
        return claimed
