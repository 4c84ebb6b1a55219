"""The response cache in a call's path: whether its answer is there already, and whether it is worth keeping.

Law: an answer stands for what was asked, exactly (`dialects/same_request`), by whom as far as it matters, and of whom;
it is kept as it left, whole or as a stream, and only when it is complete and good. Nothing is kept of a key or a call
whose content may not be, and nothing that lives on at a provider is answered from here. A call that asks for no cache
pays for one comparison.

A model is checked against the key's list before its answer is looked for: what a key may not ask, it may not find. The
caller's own credentials are part of the name, so an answer that they bought serves nobody without them.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from gantry.board.answers import LARGEST_ANSWER, KeptAnswer
from gantry.board.board import Word
from gantry.core.errors import GatewayError
from gantry.core.routing_rules import CacheRule
from gantry.core.vocabulary import ContentPolicy, Dialect, Operation
from gantry.dialects.answer import Answer, read_answer
from gantry.dialects.same_request import asked_in, leaves_state, same_form
from gantry.gateway.headers import IDENTITY, AnswerKind
from gantry.gateway.intake import Intake
from gantry.gateway.prepare import Question, Voyage, is_strict
from gantry.gateway.pump import Pump
from gantry.gateway.recording import Recording
from gantry.gateway.state import WorkerState
from gantry.gateway.terms import names_models, read_terms
from gantry.journal.frames import CacheNote, CacheSwept, FrameKind, encode_payload
from gantry.journal.writer import JournalFull
from gantry.routing.plan import Route
from gantry.routing.snapshot import KeyRecord
from gantry.wire.head import RequestHead

logger = logging.getLogger(__name__)

HEADER: Final = b"x-gantry-cache"
MISS: Final = b"%b: miss\r\n" % HEADER
LARGEST_REQUEST: Final = 1 << 20  # reading and naming a megabyte takes 2 ms of everybody's time
_FORM: Final = 1  # of what names are made of; another one finds nothing that was kept before
_OPERATIONS: Final = frozenset(
    (
        Operation.CHAT,
        Operation.FIM,
        Operation.COMPLETIONS,
        Operation.RESPONSES,
        Operation.EMBEDDINGS,
        Operation.EMBEDDING,
        Operation.RERANK,
        Operation.MODERATION,
        Operation.CHAT_MODERATION,
        Operation.CLASSIFICATION,
        Operation.CHAT_CLASSIFICATION,
        Operation.OCR,
    )
)
_SAYING: Final = (b"anthropic-", b"openai-", b"x-goog-")  # headers that say something to a provider
# Of our own parameters, what an answer depends on: a group's models may bring the caller's credentials.
_DECIDING: Final = ("prompt", "mock_response", "load_balance_group", "load_balance_models", "loadbalance_models")
_CREDENTIALS: Final = ("credential_override", "customer_api_keys", "customer_credentials")
_HITS, _MISSES = int(Word.CACHE_HITS), int(Word.CACHE_MISSES)
_FULL: Final = ContentPolicy.FULL
_JSON, _STREAM = "application/json", "text/event-stream"
_LARGE: Final = 64 * 1024  # is written in a thread
_GOOD: Final = 200
_SWEEP_SECONDS: Final = 60.0
_TOLD_AT_ONCE: Final = 1000  # names, in one frame
_LOOK_SECONDS: Final = 1.0  # at whether it is time to sweep sooner


Deployed = tuple[str, str | None]  # a provider and its model


class Keeper(Struct, frozen=True, gc=False):
    """Under which name the answer of one call is kept, on which terms, and the answer if there is one."""

    state: WorkerState
    organization_id: str
    name: str
    rule: CacheRule
    route: Route  # where the call goes first
    theirs: frozenset[Deployed] | None  # whose answers they are; None where anybody's will do
    asked_model: str | None  # as the caller wrote it
    dialect: Dialect  # the caller's
    operation: Operation
    found: KeptAnswer | None

    def over(self, pump: Pump, voyage: Voyage, status: int, kind: AnswerKind, recording: Recording) -> Pump:
        """Return a pump around another that keeps what passes, where this answer may be kept."""
        if self.theirs is not None and _whose(voyage.attempt.route) not in self.theirs:
            return pump  # another model stepped in, and the next call would rather have the one it asks for
        if status != _GOOD or (pump.content_type is None and kind.encoding not in IDENTITY):
            return pump
        return KeepingPump(pump, self, voyage, kind, recording)

    def note(self, answer: KeptAnswer, *, hit: bool) -> CacheNote:
        """Return what the record of a call says of an answer."""
        return CacheNote(
            self.name,
            hit,
            answer.kept_at,
            answer.expires_at,
            hit and self.rule.omit_log,
            answer.log_id,
            answer.asked_model,
            answer.provider_id,
            answer.model,
            answer.host,
            answer.latency,
            answer.usage,
            answer.service_tier,
        )


def look_up(
    state: WorkerState, intake: Intake, key: KeyRecord, head: RequestHead, question: Question, recording: Recording
) -> Keeper | None:
    """Return what becomes of a call's answer in the cache; None where it has no place there. Raises InvalidRequest."""
    snapshot, parameters = state.snapshot, question.parameters
    if snapshot is None:
        return None
    rule = parameters.cache_rule(snapshot.routing_rules_of(key.organization_id).cache)
    if not rule.enabled:
        return None
    asked = _read_asked(state, intake, key, question)
    if isinstance(asked, str):
        warning = f"cache_enabled is not acted on: {asked}"
        if "cache_enabled" in parameters.values and warning not in recording.warnings:
            recording.warnings.append(warning)
        return None
    wish = intake.wish(key, question.model)
    brought = {name: parameters.credentials(name) for name in _CREDENTIALS if name in parameters.values}
    try:
        routes = _routes_of(intake, key, question, brought)
    except GatewayError:
        return None  # the call itself is told
    route, theirs = routes[0], None
    if rule.by_model or wish.pinned is not None or len(routes) > 1:
        theirs = frozenset(map(_whose, routes))
    form = same_form(
        (
            _FORM,
            key.environment,
            is_strict(key, parameters),
            intake.surface.dialect,
            intake.surface.operation,
            intake.surface.query,
            question.stream,
            [(field.decode("latin-1"), value.decode("latin-1")) for field, value in _said_to_provider(head)],
            None if theirs is None else sorted(theirs, key=str),
            parameters.customer if rule.by_customer else None,
            brought,
            [parameters.values.get(name) for name in _DECIDING],
            asked,
        )
    )
    name = state.answers.name(key.organization_id, form)
    found = state.answers.find(key.organization_id, name, rule.ttl)
    state.slot.add(_MISSES if found is None else _HITS)
    surface = intake.surface
    return Keeper(
        state,
        key.organization_id,
        name,
        rule,
        route,
        theirs,
        question.model,
        surface.dialect,
        surface.operation,
        found,
    )


def _read_asked(state: WorkerState, intake: Intake, key: KeyRecord, question: Question) -> dict[str, Any] | str:
    """Return what a request asks, or why its answer has no place in the cache."""
    envelope, parameters, operation = question.envelope, question.parameters, intake.surface.operation
    if not state.answers.is_on:
        return "the response cache is turned off by the setting response_cache_bytes"
    if envelope is None or operation not in _OPERATIONS:
        return f"answers to {operation} requests are not cached"
    if key.content_policy is not _FULL or parameters.unlogged:
        return "the content of this call may not be kept"
    if len(envelope.body) > LARGEST_REQUEST:
        return f"the request is longer than {LARGEST_REQUEST} bytes"
    asked = asked_in(envelope.body, parameters.remove, stream=question.stream)
    if asked is None:
        return "a number in the request is too large, or it is nested too deeply"
    if leaves_state(asked, is_response=operation is Operation.RESPONSES):
        return (
            "the provider stores this answer, or it goes on from one that is stored; with `store: false` it is cached"
        )
    return asked


def _routes_of(
    intake: Intake, key: KeyRecord, question: Question, brought: Mapping[str, Mapping[str, Any]]
) -> Sequence[Route]:
    """Return where a call may be answered at first: at its model, or at the members of a group. Raises GatewayError."""
    if names_models(question.parameters):
        terms = read_terms(question.parameters, question.model)
        first = intake.plan(key, question.model, terms, stream=question.stream).choices[0]
        return [attempt.route for attempt in first.attempts]
    names = frozenset(provider for given in brought.values() for provider in given)
    return (intake.find_route(key, intake.wish(key, question.model), names),)


def _whose(route: Route) -> tuple[str, str | None]:
    return route.provider.id, route.upstream_model


def _said_to_provider(head: RequestHead) -> list[tuple[bytes, bytes]]:
    return sorted(header for header in head.fields.items() if header[0].startswith(_SAYING))


class KeepingPump:
    """Another pump, whose output is kept once it is complete: with a stream's last event, or at the end."""

    __slots__ = ("_came", "_gathered", "_heard", "_keeper", "_kind", "_left", "_pump", "_recording", "_voyage")

    def __init__(self, pump: Pump, keeper: Keeper, voyage: Voyage, kind: AnswerKind, recording: Recording) -> None:
        self._pump = pump
        self._keeper = keeper
        self._voyage = voyage
        self._kind = kind
        self._recording = recording
        self._gathered: list[bytes] | None = []
        self._heard: list[bytes] = []  # of the provider, where that is not what leaves
        self._came = self._left = 0  # bytes

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
        out = self._pump.feed(data)
        self._gather(out, data)
        if self._pump.stream_ended:
            self._keep()
        return out

    def end(self) -> bytes:
        out = self._pump.end()
        self._gather(out, b"")
        self._keep()
        return out

    def ping(self) -> bytes:
        return self._pump.ping()

    def fail(self, error: GatewayError) -> bytes | None:
        self._give_up()
        return self._pump.fail(error)

    def _gather(self, out: bytes, data: bytes) -> None:
        if self._gathered is None:
            return
        self._left += len(out)
        self._came += len(data)
        if max(self._left, self._came) > LARGEST_ANSWER:
            self._give_up()
            return
        self._gathered.append(out)
        if self._voyage.adaptation is not None:
            self._heard.append(data)

    def _give_up(self) -> None:
        self._gathered = None
        self._heard.clear()

    def _keep(self) -> None:
        """Keep what was gathered, once, if it is a good answer."""
        gathered = self._gathered
        if gathered is None or self._pump.failure is not None or self._recording.stopped is not None:
            return
        body, content_type = b"".join(gathered), self._pump.content_type or self._kind.content_type
        told = self._read(content_type, body)
        self._give_up()
        if told is None:
            return
        keeper, recording, voyage = self._keeper, self._recording, self._voyage
        cache, route = keeper.state.answers, voyage.attempt.route
        now = cache.now()
        answer = KeptAnswer(
            content_type,
            body,
            now,
            now + keeper.rule.ttl * 1_000_000_000,
            recording.log_id,
            recording.turned_to or keeper.asked_model,
            route.provider.id,
            route.upstream_model,
            voyage.pool.origin.host,
            time.perf_counter_ns() - recording.started_clock,
            tuple(map(str, voyage.changes)),
            told.usage,
            told.service_tier,
        )
        if len(body) > _LARGE:
            loop = asyncio.get_running_loop()
            loop.run_in_executor(None, cache.keep, keeper.organization_id, keeper.name, answer)
        elif not cache.keep(keeper.organization_id, keeper.name, answer):
            return
        recording.cache = keeper.note(answer, hit=False)

    def _read(self, content_type: str, body: bytes) -> Answer | None:
        """Return what was answered; None where that is an error inside a 200, or not its end."""
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type not in (_JSON, _STREAM):
            return None
        keeper, route, kind = self._keeper, self._voyage.attempt.route, self._kind
        if self._voyage.adaptation is None:
            answer = read_answer(keeper.operation, route.dialect, content_type, body)
        elif kind.encoding not in IDENTITY:
            answer = read_answer(keeper.operation, keeper.dialect, content_type, body)
        else:  # by what the provider said: it may tell more of the usage than was passed on
            heard = b"".join(self._heard)
            answer = read_answer(route.operation or keeper.operation, route.dialect, kind.content_type, heard)
        ended = media_type == _JSON or self._pump.stream_ended or answer.finish_reason is not None
        return answer if ended and answer.error is None else None


async def keep_bounded(state: WorkerState) -> None:
    """Sweep the cache from time to time, in a thread, and sooner when much was kept; tell the clerk what is gone."""
    waited = 0.0
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        waited += _LOOK_SECONDS
        if waited < _SWEEP_SECONDS and not state.answers.is_due:
            continue
        waited = 0.0
        try:
            gone = await asyncio.to_thread(state.answers.sweep)
            for start in range(0, len(gone), _TOLD_AT_ONCE):
                swept = CacheSwept(gone[start : start + _TOLD_AT_ONCE])
                state.journal.append(FrameKind.CACHE_SWEPT, encode_payload(swept))
        except (OSError, JournalFull) as error:
            logger.error("the response cache cannot be swept: %s", error)
