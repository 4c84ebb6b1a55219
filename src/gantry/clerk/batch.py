"""From joined frames to one transaction: meter what ended, keep what is open, reject what cannot be understood.

Law: a batch is complete in itself: storing it again after a fault needs no second reading and no second metering.
Metering is pure, so what failed once would fail again, and is rejected at once.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from gantry.clerk.correct import Noting
from gantry.clerk.customers import bill_customers, key_of, note_customer
from gantry.clerk.join import Call, Joined, Part, captured, crash_of
from gantry.clerk.reject import Origin, kind_of, minimal_row
from gantry.core.limits import Difference
from gantry.core.log_figures import total_tokens
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import LogMethod
from gantry.journal.frames import (
    CacheNote,
    CallClosed,
    CallOpened,
    Direction,
    FrameKind,
    LogPosted,
    decode_payload,
    encode_payload,
)
from gantry.store.cached_answers import AnswerGiven, AnswerKept, CacheChanges
from gantry.store.customer_sums import CustomerNote
from gantry.store.logs import LogStore, OpenCall, OpenPart

# Python 3.11 reads an enum's member through a descriptor, which costs time on each call.
_REQUEST: Final = Direction.REQUEST
_RESPONSE: Final = Direction.RESPONSE
_REMEMBERED_CALLS: Final = 2048
_REMEMBERED_BYTES: Final = 8 << 10  # of one call's request

IsKept = Callable[[str, str], bool]  # an entry of the response cache, by organization and name

logger = logging.getLogger(__name__)


class Meter(Protocol):
    """Makes a request log of what was captured: usage, text, cost."""

    def call(self, opened: CallOpened, request: bytes, response: bytes, closed: CallClosed) -> RequestLog: ...

    def posted(self, frame: LogPosted) -> RequestLog: ...


class Batch(Struct, frozen=True):
    """What one transaction stores of some frames. `origins` says of each log what it was made of."""

    logs: list[RequestLog] = []
    origins: list[Origin] = []
    opened: list[OpenCall] = []
    parts: list[OpenPart] = []
    closed: list[str] = []
    rejected: list[Origin] = []
    cache: CacheChanges = msgspec.field(default_factory=CacheChanges)
    customers: dict[str, CustomerNote] = {}  # by the id of the log that says it
    differences: dict[str, list[Difference]] = {}  # between the record and what its worker counted, likewise

    def add(self, log: RequestLog, origin: Origin) -> None:
        self.logs.append(log)
        self.origins.append(origin)

    def note(self, log: RequestLog, params: bytes) -> None:
        """Note what the parameters of a log, or a posted log, say of its customer."""
        said = note_customer(log, params)
        if said is not None:
            self.customers[log.log_id] = said

    def differ(self, log: RequestLog, found: list[Difference]) -> None:
        """Note by how much a record differs from what was counted of it."""
        if found:
            self.differences[log.log_id] = found

    def reject(self, origin: Origin, reason: str, now: int) -> None:
        """Put a minimal row in the place of what cannot be recorded whole."""
        self.rejected.append(origin)
        row = minimal_row(origin, reason, now)
        if row is not None:
            self.add(row, origin)


class BatchBuilder:
    """Meters, and finds in the store what earlier batches left open."""

    def __init__(
        self,
        store: LogStore,
        meter: Meter,
        clock: Callable[[], int],
        is_kept: IsKept = lambda *_: True,
        corrections: Noting | None = None,
    ) -> None:
        """`is_kept` says whether the response cache of this machine still has an entry."""
        self._corrections = corrections
        self._store = store
        self._meter = meter
        self._clock = clock
        self._is_kept = is_kept
        self._remembered: dict[str, CallOpened] = {}  # calls in the store without parts: most need no query to end

    def take(self, joined: Joined, batch: Batch) -> None:
        """Put into a batch what ended, and leave in `joined` the calls that did not. Raises StoreUnavailable."""
        ended = [call for call in joined.calls.values() if call.closed is not None]
        earlier = {call.log_id: call for call in ended if call.opened is None}
        batch.closed.extend(earlier)
        forgotten = {call.log_id: call for call in earlier.values() if not self._remember(call)}
        if forgotten:
            self._complete(forgotten, self._store.open_calls(log_ids=forgotten))
        for call in ended:
            del joined.calls[call.log_id]
            if call.closed is not None:
                self._end(call, call.closed, batch)
        for frame in joined.posted:
            self._post(frame, batch)
        joined.posted.clear()
        for unreadable in joined.unreadable:
            batch.reject(unreadable, unreadable.reason, self._clock())
        joined.unreadable.clear()
        batch.cache.swept.extend(joined.swept)
        joined.swept.clear()

    def finish(self, joined: Joined, batch: Batch) -> None:
        """Put into a batch what is left: calls that end in a later one. Raises StoreUnavailable."""
        for call in joined.calls.values():
            self._leave_open(call, batch)
        self._bill_customers(batch)

    def build_crashed(self, incarnation: str, at: int, limit: int) -> Batch:
        """Return the batch of some calls that a crashed worker left open; an empty one when none are left."""
        batch = Batch()
        opened = self._store.open_calls(incarnation, limit=limit)
        calls = {log_id: Call(log_id, incarnation) for log_id, _, _ in opened}
        if calls:
            self._complete(calls, opened)
            batch.closed.extend(calls)
        for call in calls.values():
            self._remembered.pop(call.log_id, None)
            call.closed = crash_of(call, at)
            self._end(call, call.closed, batch)
        self._bill_customers(batch)
        return batch

    def _bill_customers(self, batch: Batch) -> None:
        keys = {key for log in batch.logs if (key := key_of(log)) is not None}
        if not keys:
            return
        marks = self._store.customer_marks(keys)
        said = {log_id: note.terms for log_id, note in batch.customers.items() if note.terms is not None}
        if marks or said:
            bill_customers(batch.logs, said, marks)
        if self._corrections is not None:
            for log in batch.logs:
                if log.log_method is LogMethod.LOGGING_API and log.customer_identifier is not None:
                    batch.differ(log, self._corrections.of_posted(log))

    def _remember(self, call: Call) -> bool:
        """Give a call the open frame that an earlier batch stored, if it is remembered."""
        call.opened = self._remembered.pop(call.log_id, None)
        return call.opened is not None

    def _leave_open(self, call: Call, batch: Batch) -> None:
        opened = call.opened
        if opened is not None:
            batch.opened.append((call.log_id, call.incarnation, encode_payload(opened)))
            small = len(opened.request_body) <= _REMEMBERED_BYTES
            if small and not call.parts and len(self._remembered) < _REMEMBERED_CALLS:
                self._remembered[call.log_id] = opened
        elif call.parts:
            self._remembered.pop(call.log_id, None)
        batch.parts.extend((call.log_id, call.incarnation, part.seq, part.direction, part.data) for part in call.parts)

    def _complete(self, calls: dict[str, Call], opened: Iterable[OpenCall]) -> None:
        """Give calls the open frames and the parts that the store holds of them."""
        for log_id, _, payload in opened:
            try:
                frame = decode_payload(FrameKind.CALL_OPENED, payload)
            except msgspec.DecodeError as error:
                logger.error("the open call %s in the store is not readable: %s", log_id, error)
            else:
                calls[log_id].opened = frame if isinstance(frame, CallOpened) else None
        earlier: dict[str, list[Part]] = {}
        for log_id, _, seq, direction, data in self._store.open_parts(*calls):
            earlier.setdefault(log_id, []).append(Part(seq, Direction(direction), data))
        for log_id, parts in earlier.items():
            calls[log_id].parts[:0] = parts

    def _end(self, call: Call, closed: CallClosed, batch: Batch) -> None:
        if call.opened is None:
            batch.reject(call, "its open frame is lost", self._clock())
            return
        opened = call.opened
        request, response = opened.request_body, closed.response_body
        if call.parts:
            request, response = captured(call, _REQUEST), captured(call, _RESPONSE)
        try:
            log = self._meter.call(opened, request, response, closed)
        except Exception as error:  # noqa: BLE001 - the boundary around all that understands what was said
            logger.error("call %s cannot be metered: %s", call.log_id, kind_of(error))
            batch.reject(call, f"metering failed: {kind_of(error)}", self._clock())
        else:
            note = closed.cache
            if note is not None:
                self._note_cache(note, log, batch.cache)
            if note is None or not note.unlogged:
                batch.add(log, call)
                if opened.params:
                    batch.note(log, opened.params)
                held, settled = opened.hold, closed.settled
                if self._corrections is not None and not (held is None and settled is None):
                    batch.differ(log, self._corrections.of_call(log, held, settled))

    def _note_cache(self, note: CacheNote, log: RequestLog, into: CacheChanges) -> None:
        """Note that an answer was kept, unless it was deleted since, or that it was given once more."""
        organization_id = log.organization_id
        if note.hit:
            time = max(note.latency - (log.latency or 0), 0)
            saved = log.cache_savings or 0, total_tokens(log) or 0, time
            into.given.append(AnswerGiven(organization_id, note.key, log.ended_at, *saved))
        elif self._is_kept(organization_id, note.key):
            kept = AnswerKept(organization_id, note.key, log.log_id, log.model, note.kept_at, note.expires_at)
            into.kept.append(kept)

    def _post(self, frame: LogPosted, batch: Batch) -> None:
        try:
            log = self._meter.posted(frame)
        except Exception as error:  # noqa: BLE001 - the same boundary, for what users post
            logger.error("posted log %s cannot be metered: %s", frame.log_id, kind_of(error))
            batch.reject(frame, f"metering failed: {kind_of(error)}", self._clock())
        else:
            batch.add(log, frame)
            batch.note(log, frame.body)
            note = batch.customers.get(log.log_id)
            if note is not None and self._corrections is not None:
                self._corrections.put_customer(log.organization_id, log.environment, note)
