"""The guard between organizations whose credentials may be for one account at a provider, where what lives is of all.

Law: what was made through us stays with the organization that made it (`board/resources`). Another one is told that it
does not exist, and does not find it in a list. What nobody is remembered for is nobody's, but for the results of a
batch: they appear by themselves, and belong to who has the batch. Remembering happens always, so that it holds when a
second organization comes; looking happens only where there is more than one.

Lists are held until they are whole. What is made is watched as it passes, and remembered before the last byte that
tells of it leaves.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from gantry.board.resources import ResourceBook
from gantry.core.errors import GatewayError, InvalidRequest, NotFound, UpstreamBroke
from gantry.core.vocabulary import STATEFUL_OPERATIONS, Operation
from gantry.dialects.content_coding import decode_content
from gantry.gateway.headers import IDENTITY, AnswerKind
from gantry.gateway.pump import Pump
from gantry.gateway.resource_ids import (
    CREATING,
    Item,
    created_ids,
    ids_in_body,
    ids_in_path,
    ids_made,
    resource_keys,
    told_items,
    withhold_foreign,
)
from gantry.routing.snapshot import Snapshot
from gantry.wire.multipart import MULTIPART
from gantry.wire.sse import EventTooLarge, SSEParser

MAX_NAMED: Final = 10_000  # different ids in one request
_MAX_WHOLE: Final = 32 * 1024 * 1024
_MAKING: Final = ("POST", "PUT")
_JOBS: Final = frozenset((Operation.BATCHES, Operation.FINE_TUNING))


def is_shared(snapshot: Snapshot, provider_id: str) -> bool:
    """Say whether more than one organization has a credential for a provider, the platform being one."""
    return provider_id in snapshot.shared_providers


def needs_guard(snapshot: Snapshot, provider_id: str, operation: Operation) -> bool:
    """Say whether a call has to be looked at: the same for all calls of an operation under one snapshot."""
    return operation in STATEFUL_OPERATIONS or is_shared(snapshot, provider_id)


class Guard:
    """One call's. First one of the checks, then `over` when the answer's head is there."""

    __slots__ = ("_book", "_method", "_named", "_operation", "_organization_id", "_path_ids", "_provider_id", "_shared")

    def __init__(
        self,
        book: ResourceBook,
        snapshot: Snapshot,
        provider_id: str,
        organization_id: str,
        operation: Operation,
        method: str,
        target: str,
    ) -> None:
        """`target` is the request's path with its query."""
        self._book = book
        self._provider_id = provider_id
        self._organization_id = organization_id
        self._operation = operation
        self._method = method
        self._shared = is_shared(snapshot, provider_id)
        self._path_ids = ids_in_path(target)
        self._named: set[str] = set(self._path_ids)  # by the request: not made by it

    # The request

    def check_request(self, body: bytes = b"", content_type: str = "") -> None:
        """Raise NotFound when the request names what is another organization's."""
        if self._shared or self._operation is Operation.CONVERSATIONS:
            self._named.update(ids_in_body(body, content_type))
        self._check_named()

    def check_form(self, values: Iterable[str]) -> None:
        """As `check_request`, for a form of which the fields are read already."""
        self._named.update(resource_keys(values))
        self._check_named()

    def check_upload(self, content_type: str) -> None:
        """As `check_request`, for a body that is not read: it must be one that names nothing, a file.

        Raises InvalidRequest, too.
        """
        if self._shared and content_type.partition(";")[0].strip().lower() != MULTIPART:
            raise InvalidRequest(
                f"this body is too long, or of a type that cannot be looked into; send JSON as application/json "
                f"and files as {MULTIPART}"
            )
        self._check_named()

    def _check_named(self) -> None:
        if not self._shared:
            return
        if len(self._named) > MAX_NAMED:
            raise InvalidRequest(f"the request names more than {MAX_NAMED} files, agents or the like; send fewer")
        for name in self._named:
            if self._book.is_foreign(self._provider_id, name, self._organization_id):
                raise NotFound(f"there is nothing with the id {name}")

    # The answer

    def holds(self, status: int, kind: AnswerKind) -> bool:
        """Say whether the answer is a list that has to be whole before any of it goes on: then its head waits, too."""
        return (
            self._shared
            and self._operation in CREATING
            and self._method == "GET"
            and not self._path_ids
            and kind.is_json
            and 200 <= status < 300
        )

    def over(self, pump: Pump, status: int, kind: AnswerKind) -> Pump:
        """Return the pump for an answer: this one, or one that watches over it."""
        if self.holds(status, kind):
            return FilterPump(self, kind)
        if self._watches(status, kind):
            return WatchPump(self, pump, kind)
        return pump

    def _watches(self, status: int, kind: AnswerKind) -> bool:
        if not 200 <= status < 300 or not (kind.is_json or kind.is_stream) or self._operation not in CREATING:
            return False
        return self._method in _MAKING or (self._operation in _JOBS and self._method == "GET" and kind.is_json)

    def learn(self, kind: AnswerKind, body: bytes) -> None:
        """Remember what a whole answer says was made."""
        if self._method in _MAKING:
            self._remember(created_ids(self._operation, 200, kind.content_type, body))
            return
        try:
            self._learn_results(told_items(body))
        except (InvalidRequest, msgspec.DecodeError):
            return  # the caller's to read: nothing of it is known here

    def learn_event(self, data: bytes) -> None:
        """Remember what one event of an answer says was made."""
        self._remember(ids_made(self._operation, data))

    def filter(self, body: bytes) -> bytes:
        """Return a list without what is another organization's. Raises UpstreamBroke."""
        try:
            if self._operation in _JOBS:
                self._learn_results(told_items(body))
            return withhold_foreign(body, self._is_hidden)
        except (InvalidRequest, msgspec.DecodeError) as error:
            raise UpstreamBroke("the provider's list cannot be read, so nobody knows whose its items are") from error

    def _remember(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self._named:
                self._book.remember(self._provider_id, name, self._organization_id)

    def _learn_results(self, jobs: Iterable[Item]) -> None:
        for job in jobs:
            if job.key is not None and self._is_own(job.key):
                for name in job.made:
                    self._book.remember(self._provider_id, name, self._organization_id)

    def _is_own(self, name: str) -> bool:
        return self._book.owner(self._provider_id, name) == self._book.mark(self._organization_id)

    def _is_hidden(self, item: Item) -> bool:
        if item.key is None:
            return False
        if item.is_result:
            return not self._is_own(item.key)
        return self._book.is_foreign(self._provider_id, item.key, self._organization_id)


class FilterPump:
    """A list, held until it is whole."""

    __slots__ = ("_gathered", "_guard", "_kind", "_size")

    stream_ended = False
    failure = None
    content_type = None

    def __init__(self, guard: Guard, kind: AnswerKind) -> None:
        self._guard = guard
        self._kind = kind
        self._gathered: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> bytes:
        self._size += len(data)
        if self._size > _MAX_WHOLE:
            raise UpstreamBroke(f"the provider's list is larger than {_MAX_WHOLE} bytes; ask for smaller pages")
        self._gathered.append(data)
        return b""

    def end(self) -> bytes:
        body = b"".join(self._gathered)
        encoding = self._kind.encoding
        decoded = decode_content(body, encoding, _MAX_WHOLE)
        if decoded.problem is not None:
            raise UpstreamBroke(f"the provider's list cannot be decoded: {decoded.problem}")
        filtered = self._guard.filter(decoded.body)
        if filtered is decoded.body:
            return body
        if encoding not in IDENTITY:
            raise UpstreamBroke(f"the provider compressed ({encoding}) a list that must not be")
        return filtered

    def ping(self) -> bytes:
        return b""

    def fail(self, error: GatewayError) -> bytes | None:
        return None


class WatchPump:
    """An answer that tells what was made, watched as another pump lets it pass."""

    __slots__ = ("_gathered", "_guard", "_kind", "_parser", "_pump", "_size")

    def __init__(self, guard: Guard, pump: Pump, kind: AnswerKind) -> None:
        self._guard = guard
        self._pump = pump
        self._kind = kind
        self._parser = SSEParser() if kind.is_stream and kind.encoding in IDENTITY else None
        self._gathered: list[bytes] = []
        self._size = 0

    @property
    def stream_ended(self) -> bool:
        return self._pump.stream_ended

    @property
    def failure(self) -> str | None:
        return self._pump.failure

    @property
    def content_type(self) -> str | None:
        return self._pump.content_type

    def feed(self, data: bytes) -> bytes:
        if self._parser is None:
            self._gather(data)
        else:
            self._read(self._parser, data)
        return self._pump.feed(data)

    def end(self) -> bytes:
        if self._parser is not None:
            for event in self._parser.close():
                self._guard.learn_event(event.data)
        elif self._gathered:
            body = b"".join(self._gathered)
            self._guard.learn(self._kind, decode_content(body, self._kind.encoding, _MAX_WHOLE).body)
        return self._pump.end()

    def ping(self) -> bytes:
        return self._pump.ping()

    def fail(self, error: GatewayError) -> bytes | None:
        return self._pump.fail(error)

    def _gather(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= _MAX_WHOLE:
            self._gathered.append(data)
        else:
            self._gathered.clear()

    def _read(self, parser: SSEParser, data: bytes) -> None:
        try:
            for event in parser.feed(data):
                self._guard.learn_event(event.data)
        except EventTooLarge:
            self._parser = None  # what such a stream made stays nobody's
