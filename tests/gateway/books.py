"""A worker with books: an organization with limits or credits, prices that can be reckoned in the head, and callers."""

import contextlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from gantry.clerk.correct import counted_of
from gantry.clerk.limit_info import limit_info
from gantry.core.custom_model import CustomModel
from gantry.core.limit_terms import terms_of
from gantry.core.limits import Books, Counted, CreditTerms, Limit, LimitAction, LimitScope, LimitUnit, Unpriced
from gantry.core.periods import Period
from gantry.core.routing_rules import NO_ROUTING_RULES, RoutingRules
from gantry.core.secret import Secret
from gantry.journal.frames import CallClosed, CallOpened
from gantry.prices.published import compile_published
from gantry.prices.sealed_table import seal_table, table_name
from gantry.prices.table import encode_table
from gantry.routing.snapshot import CredentialRecord
from tests.gateway.catalogue import publish, until
from tests.gateway.conftest import Node, running_node

CENT = 10_000_000  # nano-dollars
WORDS = 10  # tokens of an answer that costs a cent
_PER_TOKEN = CENT // WORDS * 1_000_000  # nano-dollars for a million of them
# The name of each is its provider's; it costs a cent for ten tokens of an answer, and nothing to read.
PENNY = ("mistral/mistral-small-latest", "openai/gpt-4o", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash")
CHAT = "/api/v1/chat/completions"


def penny(base: str = PENNY[0], **prices: Any) -> CustomModel:
    """Return a model whose answers cost a cent for ten tokens."""
    name = prices.pop("name", f"penny-{base.partition('/')[0]}")
    fields = {"input_price": 0, "output_price": _PER_TOKEN, **prices}
    return CustomModel(organization_id="o1", name=name, base=base, **fields)


def limit(
    amount: int,
    unit: LimitUnit = LimitUnit.COST,
    *,
    scope: LimitScope = LimitScope.API_KEY,
    subject: str = "k1",
    period: Period = Period.LIFETIME,
    action: LimitAction = LimitAction.BLOCK,
    name: str = "",
) -> Limit:
    """Return a limit, by default of what the key may cost in all."""
    named = name or f"{scope}_{unit}_{period}"
    whose = "" if scope is LimitScope.ORGANIZATION else subject
    return Limit(f"l-{named}", scope, whose, unit, period, amount, action, named)


def credential(provider: str, url: str, organization: str | None = "o1") -> CredentialRecord:
    secrets = {"api_key": Secret(f"canary-{provider}")}
    return CredentialRecord(f"c-{provider}-{organization}", organization, provider, "main", url, secrets, home=True)


def chat(model: str = "penny-mistral", **fields: Any) -> bytes:
    said = [{"role": "user", "content": "hi"}]
    return json.dumps({"model": model, "messages": said, "max_tokens": WORDS, **fields}).encode()


def answered(tokens: int = WORDS, model: str = "mistral-small-latest") -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 5, "completion_tokens": tokens, "total_tokens": 5 + tokens}
    return json.dumps(
        {"id": "1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": usage}
    ).encode()


@cache
def _price_table() -> bytes:
    return seal_table(encode_table(compile_published()))


def counted(node: Node, limit: Limit, subject: str = "") -> int:
    """Return what a limit has counted."""
    return node.worker._state.purses.counters.read(terms_of("o1", limit, subject), time.time_ns())


def counted_in(opened: CallOpened, closed: CallClosed) -> Sequence[Counted]:
    """Return what the record says that a call has counted."""
    return counted_of(opened.hold, closed.settled)


def told_limits(closed: CallClosed) -> Any:
    """Return what the log of a call says of its limits."""
    return json.loads(limit_info(closed.limits, closed.limit_info) or "null")


async def all_closed(node: Node, count: int) -> list[tuple[CallOpened, CallClosed]]:
    """Return so many calls, once all of them are closed."""
    await until(lambda: sum(closed is not None for _, closed, _ in node.calls()) == count)
    return [(opened, closed) for opened, closed, _ in node.calls() if closed is not None]


@contextlib.asynccontextmanager
async def limited_node(
    path: Path,
    url: str,
    *limits: Limit,
    paid: CreditTerms | None = None,
    unpriced: Unpriced = Unpriced.ALLOW,
    stop_streams: bool = False,
    credentials: Sequence[CredentialRecord] | None = None,
    customs: Sequence[CustomModel] = tuple(map(penny, PENNY)),
    rules: RoutingRules = NO_ROUTING_RULES,
    **key_fields: Any,
) -> AsyncIterator[Node]:
    """Run a worker whose organization has these limits, by default with a credential for each provider at `url`."""
    async with running_node(path, "http://127.0.0.1:9") as node:
        (node.home.cache / table_name()).write_bytes(_price_table())
        held = [credential(name, url) for name in ("mistral", "openai", "anthropic", "google_gemini_ai", "cohere")]
        books = Books(limits, paid, unpriced, stop_streams)
        held = held if credentials is None else list(credentials)
        await publish(node, 6, held, customs, rules, books=books, **key_fields)
        kept = node.worker._state.kept_rates
        kept.want()
        await until(lambda: kept.rates is not None)
        yield node
