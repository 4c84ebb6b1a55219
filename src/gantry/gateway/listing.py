"""The models an organization can use: the lists of all its providers, merged into one, and single cards out of it.

Law: as any call, it is admitted by its head and ends in one record, with one attempt per provider asked. A provider
that fails is left out and named, in `x-gantry-unavailable` and in the record; only if nothing is left does the caller
see an error. A key with a model list sees what it may call.
"""

import time
from collections import deque
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final
from urllib.parse import unquote

from msgspec.structs import replace

from gantry.board.board import Word
from gantry.core.errors import GatewayError, InternalError, NotFound, Unauthenticated
from gantry.core.model_ref import parse_model_ref
from gantry.core.vocabulary import Operation, Outcome
from gantry.dialects.custom_card import custom_card
from gantry.dialects.models import ModelCard, encode_model, encode_models, plain_card
from gantry.gateway.client import ClientConnection
from gantry.gateway.fetch import outcome_of
from gantry.gateway.intake import Intake
from gantry.gateway.model_lists import Cards, Inquiry, ModelLists, owner_of
from gantry.gateway.params import CREDENTIAL_FIELDS
from gantry.gateway.prepare import understand
from gantry.gateway.recording import Recording
from gantry.gateway.respond import Responder, answer_error, answer_whole
from gantry.gateway.state import WorkerState
from gantry.routing.model_sources import ModelSource, find_sources
from gantry.routing.plan import Attempt
from gantry.routing.snapshot import KeyRecord
from gantry.wire.head import RequestHead

_AT_ONCE: Final = 16
_JSON: Final = "application/json"


class ModelListing:
    """One request for the list, or for a card."""

    __slots__ = (
        "_advancing",
        "_cards",
        "_client",
        "_errors",
        "_head",
        "_intake",
        "_key",
        "_lists",
        "_name",
        "_over",
        "_queue",
        "_recording",
        "_responder",
        "_sources",
        "_state",
        "_under_way",
    )

    def __init__(
        self,
        state: WorkerState,
        lists: ModelLists,
        client: ClientConnection,
        head: RequestHead,
        responder: Responder,
        intake: Intake,
    ) -> None:
        self._state = state
        self._lists = lists
        self._client = client
        self._head = head
        self._responder = responder
        self._intake = intake
        self._key: KeyRecord | None = None
        self._recording: Recording | None = None
        self._name: str | None = None  # of the model whose card is wanted
        self._sources: tuple[ModelSource, ...] = ()
        self._queue: deque[Attempt] = deque()
        self._under_way: set[Inquiry] = set()
        self._cards: dict[str, Cards] = {}  # by credential
        self._errors: dict[str, GatewayError] = {}
        self._advancing = False
        self._over = False

    # The client's side

    def begin(self, body: bytes | None) -> None:
        now_ns = time.time_ns()
        try:
            self._key = key = self._intake.admit(now_ns)
        except GatewayError as error:
            if isinstance(error, Unauthenticated):
                self._state.slot.add(Word.STRANGERS)
            self._answer_error(error)
            return
        self._recording = Recording(self._state, key, self._intake, now_ns)
        self._state.calls.add(self)
        try:
            self._intake.check_rights(key)
        except GatewayError as error:
            self._fail(error)
            return
        if body is not None:
            self.on_request_body(body)
            self.on_request_end()

    def on_request_body(self, data: bytes) -> None:
        """Pass over it: it means nothing here."""
        if self._recording is not None:
            self._recording.request_bytes += len(data)

    def on_request_end(self) -> None:
        if self._over:
            return
        try:
            self._ask()
        except GatewayError as error:
            self._fail(error)

    def on_client_gone(self) -> None:
        self._leave()
        self._close_record(Outcome.CLIENT_GONE, 0, "the client closed the connection")

    def on_client_full(self) -> None:
        """The answer is written in one piece."""

    def on_client_drained(self) -> None:
        """The answer is written in one piece."""

    def refuse(self, error: GatewayError) -> None:
        self._fail(error)

    def check(self, now: float) -> None:
        """Each question has a deadline of its own."""

    # The providers' side

    def _ask(self) -> None:
        """Find out whom to ask, write the open frame, and begin. Raises GatewayError."""
        intake, key, recording, snapshot = self._intake, self._key, self._recording, self._state.snapshot
        assert key is not None
        assert recording is not None
        if intake.surface.operation is Operation.MODEL:
            self._name = unquote(intake.surface.path.partition("/models/")[2])
        question = replace(understand(intake, self._head, b""), model=self._name)
        recording.open(self._head, question)
        unused = sorted(CREDENTIAL_FIELDS & question.parameters.values.keys())
        recording.warnings.extend(f"{name} is not used to list models" for name in unused)
        if snapshot is None:
            raise InternalError("this worker has no configuration yet")
        self._sources = find_sources(snapshot, intake.wish(key, self._name))
        self._queue.extend(attempt for source in self._sources for attempt in source.asked)
        recording.sent_at = time.perf_counter_ns()
        self._advance()

    def _advance(self) -> None:
        """Ask on, as far as there is room; answer when all was heard."""
        if self._advancing:
            return
        self._advancing = True
        while self._queue and len(self._under_way) < _AT_ONCE:
            self._ask_one(self._queue.popleft())
        self._advancing = False
        if not self._queue and not self._under_way and not self._over:
            self._conclude()

    def _ask_one(self, attempt: Attempt) -> None:
        cards = self._lists.remembered(attempt)
        if cards is not None:
            self._cards[attempt.credential.credential_id] = cards
            return
        try:
            inquiry = self._lists.inquire(attempt, self._intake.hops)
        except GatewayError as error:
            self._errors[attempt.credential.credential_id] = error
            return
        self._under_way.add(inquiry)
        inquiry.join(self)

    def on_listed(self, inquiry: Inquiry) -> None:
        self._under_way.discard(inquiry)
        name = inquiry.attempt.credential.credential_id
        if inquiry.error is None:
            self._cards[name] = inquiry.cards
        else:
            self._errors[name] = inquiry.error
        self._note(inquiry, inquiry.outcome, inquiry.error.message if inquiry.error is not None else None)
        self._advance()

    def _note(self, inquiry: Inquiry, outcome: Outcome, error: str | None) -> None:
        assert self._recording is not None
        self._recording.add_attempt(
            inquiry.attempt, inquiry.host, inquiry.started_at, inquiry.connect_time, inquiry.status, outcome, error
        )

    # The answer

    def _conclude(self) -> None:
        recording = self._recording
        assert recording is not None
        recording.warnings.extend(error.message for error in self._errors.values())
        body = self._encode_list() if self._name is None else self._encode_card(self._name)
        if body is not None:
            self._answer(body)
        elif self._errors:
            self._fail(next(self._errors_in_order()))
        else:
            self._fail(
                NotFound(f"Requested model: {self._name} is not available in the model list: GET /v1/models has it.")
            )

    def _encode_list(self) -> bytes | None:
        """Return the merged list: each name once, the first card wins. None when all who were asked have failed.

        The organization's own names come first.
        """
        named: dict[str, ModelCard] = {}
        for custom, card in self._custom_cards():
            named.setdefault(custom, card)
        heard = not self._errors
        for source in self._sources:
            for card in self._cards_of(source):
                heard = True
                for name in source.names(card.model):
                    if name not in named and self._may_use(source, name, card.model):
                        named[name] = card
        if not heard:
            return None
        return encode_models(list(named.items()), respan=self._intake.surface.path == "/models")

    def _encode_card(self, name: str) -> bytes | None:
        """Return the card of a model under the name it was asked for by: its own, or else an alias."""
        respan = self._intake.surface.path.startswith("/models/")
        for custom, card in self._custom_cards():
            if custom == name:
                return encode_model(name, card, respan=respan)
        for source in self._sources:
            if name in source.named:
                continue
            model = parse_model_ref(name, source.providers.prefixes).name
            if not self._may_use(source, name, model):
                continue
            cards = list(self._cards_of(source))
            for card in cards:
                if card.model == model:
                    return encode_model(name, card, respan=respan)
            for card in cards:
                if model in card.aliases:
                    return encode_model(name, card, respan=respan)
        return None

    def _custom_cards(self) -> Iterator[tuple[str, ModelCard]]:
        """Yield the organization's own names that the key may use, each with its card."""
        for source in self._sources:
            customs = [
                (custom, model)
                for custom, model in source.customs
                if self._name in (None, custom.name) and self._may_use(source, custom.name, model)
            ]
            if not customs:
                continue
            by_name: dict[str, ModelCard] = {}
            for card in self._cards_of(source):
                for known in (card.model, *card.aliases):
                    by_name.setdefault(known, card)
            owner = owner_of(source.provider)
            for custom, model in customs:
                yield custom.name, custom_card(custom, by_name.get(model), owner)

    def _cards_of(self, source: ModelSource) -> Iterator[ModelCard]:
        """Yield what a provider listed, then what its credentials name."""
        for attempt in source.asked:
            yield from self._cards.get(attempt.credential.credential_id, ())
        owner = owner_of(source.provider)
        for model in source.declared:
            yield plain_card(model, owner, self._lists.known.facts_of(source.provider.id, model))

    def _may_use(self, source: ModelSource, name: str, model: str) -> bool:
        assert self._key is not None
        patterns = self._key.models
        names = (name, model, f"{source.provider.id}/{model}")
        return not patterns or any(fnmatchcase(known, pattern) for pattern in patterns for known in names)

    def _errors_in_order(self) -> Iterator[GatewayError]:
        for source in self._sources:
            for attempt in source.asked:
                error = self._errors.get(attempt.credential.credential_id)
                if error is not None:
                    yield error

    # Endings

    def _answer(self, body: bytes) -> None:
        recording = self._recording
        assert recording is not None
        assert recording.answer is not None
        if self._head.method != "HEAD":
            recording.answer.feed(body)
        headers = [
            ("content-type", _JSON),
            ("x-respan-log-id", recording.log_id),
            ("x-gantry-log-id", recording.log_id),
        ]
        failed = [
            source.provider.id
            for source in self._sources
            if any(attempt.credential.credential_id in self._errors for attempt in source.asked)
        ]
        if failed:
            headers.append(("x-gantry-unavailable", ", ".join(failed)))
        self._leave()
        self._close_record(Outcome.SUCCESS, 200, None, content_type=_JSON)
        answer_whole(self._responder, 200, headers, body)
        self._client.finish_exchange()

    def _fail(self, error: GatewayError) -> None:
        if self._over:
            return
        self._leave()
        self._close_record(outcome_of(error), error.status, error.message)
        self._answer_error(error)

    def _answer_error(self, error: GatewayError) -> None:
        self._over = True
        log_id = self._recording.log_id if self._recording is not None else None
        answer_error(self._responder, self._intake.surface.dialect, error, log_id)
        self._client.finish_exchange()

    def _leave(self) -> None:
        """Ask and hear no more."""
        self._over = True
        self._state.calls.discard(self)
        self._queue.clear()
        for inquiry in self._under_way:
            inquiry.leave(self)
            self._note(inquiry, Outcome.CLIENT_GONE, "nobody waited for it any more")
        self._under_way.clear()

    def _close_record(self, outcome: Outcome, status: int, error: str | None, *, content_type: str = "") -> None:
        recording = self._recording
        if recording is None or recording.closed:
            return
        if not recording.opened:
            recording.open(self._head, None, even_when_full=True)
        recording.close(outcome, status, error, content_type=content_type)
