"""Calls and what they cost: `price_table.txt`, worked out apart from the code under test.

Rates were copied from genai-prices' data, Mistral's documentation and, where `overrides.toml` says so, from memory:
this holds the way from usage to cost, and that no rate moves unseen, not that the data is right. For that see
`test_told_costs`.

Each goes the clerk's way: the usage as it came, read in its dialect, the rate in force, the cost. The sum that is
written in words is checked, too, so neither the words nor the amounts can be wrong alone.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect
from gantry.dialects.reported_usage import read_reported_usage
from gantry.dialects.usage import service_tier_in
from gantry.prices.cost import cost_and_parts
from gantry.prices.load import load_rates
from gantry.prices.rates import Rates

TABLE = Path(__file__).with_name("price_table.txt")
DIALECTS = {
    "mistral": Dialect.MISTRAL,
    "anthropic": Dialect.ANTHROPIC,
    "google": Dialect.GEMINI,
    "aws": Dialect.BEDROCK,
    "cohere": Dialect.COHERE,
    "voyage": Dialect.VOYAGE,
}
PER = {"": 1, "M": 1_000_000, "K": 1000, "h": 3600}
CALL = re.compile(r"(?P<provider>\S+) (?P<model>\S+) (?P<terms>[^{]*)(?P<usage>\{.*\})")
PART = re.compile(r"([\d,]+) ([\w ]+?) at \$([\d.]+)(?:/([MKh]))?")


class Call(NamedTuple):
    provider: str
    model: str
    terms: dict[str, str]
    usage: bytes
    words: str
    nano: int

    def read(self) -> Usage:
        """Return the usage as the meter has it, with what it takes from the request and the answer."""
        dialect = Dialect.ANTHROPIC if "anthropic" in self.terms else DIALECTS.get(self.provider, Dialect.OPENAI_CHAT)
        usage, warnings = read_reported_usage(dialect, self.usage)
        assert not warnings
        assert not usage.clamped
        counted: dict[str, Any] = {name: int(self.terms[name]) for name in COUNTED if name in self.terms}
        if "annotated" in self.terms:
            counted["annotated_pages"] = usage.pages
        if "reading" in self.terms:
            counted["input_tokens"] = usage.total_tokens
        return replace(usage, **counted)


COUNTED = ("characters", "web_searches", "billed_tool_calls")


def read_table() -> Iterator[Call]:
    lines = [line for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    for told, worked in zip(lines[::2], lines[1::2], strict=True):
        call = CALL.fullmatch(told)
        assert call is not None, told
        words, _, nano = worked.strip().rpartition(" = ")
        terms = {term.partition("=")[0]: term.partition("=")[2] for term in call["terms"].split()}
        yield Call(call["provider"], call["model"], terms, call["usage"].encode(), words, int(nano))


CALLS = list(read_table())


def named(call: Call) -> str:
    return f"{call.provider}/{call.model} {call.words}"


@pytest.fixture(scope="module")
def rates() -> Rates:
    return load_rates()


@pytest.mark.parametrize("call", CALLS, ids=named)
def test_a_call_costs_what_its_provider_publishes(rates: Rates, call: Call) -> None:
    moment = datetime.fromisoformat(call.terms.get("at", "2026-11-29")).replace(tzinfo=UTC)
    rate = rates.find(
        call.provider,
        call.model,
        int(moment.timestamp()) * 1_000_000_000,
        service_tier_in(call.usage),
        batch="batch" in call.terms,
        host=call.terms.get("host"),
    )
    assert rate is not None
    amount, parts = cost_and_parts(rate, call.read())
    assert amount == call.nano, parts
    assert abs(sum(parts.values()) - amount) <= len(parts) // 2
    paid = sum(1 for count, _, price, _ in PART.findall(call.words) if count != "0" and Decimal(price))
    assert sum(1 for part in parts.values() if part) == paid, parts


@pytest.mark.parametrize("call", CALLS, ids=named)
def test_the_arithmetic_in_words_is_right(call: Call) -> None:
    parts = PART.findall(call.words)
    assert " + ".join(match.group() for match in PART.finditer(call.words)) == call.words
    total = sum(Decimal(count.replace(",", "")) * Decimal(price) / PER[per] for count, _, price, per in parts)
    assert total * 10**9 == call.nano


def test_the_table_has_every_provider_and_unit() -> None:
    assert len(CALLS) >= 200
    assert len({(call.provider, call.model, call.usage, *sorted(call.terms.items())) for call in CALLS}) == len(CALLS)
    words = {word for call in CALLS for _, word, _, _ in PART.findall(call.words)}
    assert words >= {
        *("in", "out", "cached", "read", "written", "kept 5 minutes", "kept an hour", "heard", "heard again", "spoken"),
        *("seen", "drawn", "watched", "seconds", "characters", "pages", "annotated pages", "searches", "request"),
        *("searches of files", "rankings", "request that searched"),
    }
