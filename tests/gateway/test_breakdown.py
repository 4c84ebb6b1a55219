"""Laws of the pump that adds a breakdown: the answer's own bytes, one event more, and the same for any cut."""

import asyncio
import json
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gantry.core.custom_model import CustomModel
from gantry.core.errors import UpstreamBroke
from gantry.core.money import usd_from_nano
from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect, Operation
from gantry.gateway.breakdown import Asked, StreamBreakdownPump, WholeBreakdownPump
from gantry.gateway.headers import AnswerKind
from gantry.gateway.kept_rates import KeptRates
from gantry.gateway.pump import PLAIN, RelayPump
from gantry.prices.cost import cost
from gantry.prices.folder import PriceFolder
from gantry.prices.load import load_rates
from gantry.prices.overrides import RateLine
from gantry.prices.published import compile_published
from gantry.prices.sealed_table import seal_table, table_name
from gantry.prices.table import encode_table
from gantry.routing.plan import Route

MODEL = "mistral-small-latest"
JSON = AnswerKind("application/json", "", False, True)
EVENTS = AnswerKind("text/event-stream", "", True, False)
TEXTS = ("hel", "lo [DONE] ", "data: [DONE]")
CHUNKS = [
    json.dumps(
        {"id": "1", "model": MODEL, "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
    ).encode()
    for text in TEXTS
]
LAST = (
    b'{"id":"1","model":"%b","choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":1000,"completion_tokens":500,"total_tokens":1500}}' % MODEL.encode()
)
DONE = b"data: [DONE]\n\n"
ENDS = pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])


def asked(
    kept: KeptRates | None = None, dialect: Dialect = Dialect.OPENAI_CHAT, custom: CustomModel | None = None
) -> Asked:
    route = SimpleNamespace(custom=custom, provider=SimpleNamespace(id="mistral"), upstream_model=MODEL)
    recording = SimpleNamespace(started_at=1_795_341_600_000_000_000, started_clock=0, sent_at=7)
    return Asked(
        Operation.CHAT,
        dialect,
        (Operation.CHAT, dialect),
        "application/json",
        b'{"messages":[]}',
        {},
        cast(Route, route),
        "api.mistral.ai",
        cast(Any, recording),
        kept or KeptRates(Path("nowhere")),
    )


def stream_of(end: bytes = b"\n\n") -> bytes:
    return b"".join(b"data: " + chunk + end for chunk in (*CHUNKS, LAST)) + b"data: [DONE]" + end


def pumped(pieces: list[bytes], kept: KeptRates | None = None) -> tuple[bytes, StreamBreakdownPump]:
    pump = StreamBreakdownPump(RelayPump(Dialect.OPENAI_CHAT), asked(kept), 200)
    return b"".join(pump.feed(piece) for piece in pieces) + pump.end(), pump


def without_breakdown(out: bytes) -> tuple[bytes, dict[str, Any]]:
    """Return a stream without the event of the breakdown, and its chunk."""
    start = out.index(b'data: {"id":"request_breakdown"')
    end = out.index(b"\n\n", start) + 2
    return out[:start] + out[end:], json.loads(out[start + 6 : end])


@ENDS
def test_the_breakdown_stands_before_done_and_nothing_else_changes(end: bytes) -> None:
    stream = stream_of(end)
    out, pump = pumped([stream])
    rest, chunk = without_breakdown(out)
    assert rest == stream
    assert out.endswith(b"\n\ndata: [DONE]" + end)
    assert pump.stream_ended
    breakdown = chunk["choices"][0]["request_breakdown"]
    assert breakdown["completion_message"] == {"role": "assistant", "content": "".join(TEXTS)}
    assert (breakdown["prompt_tokens"], breakdown["completion_tokens"], breakdown["cost"]) == (1000, 500, None)


@ENDS
@given(cuts=st.lists(st.integers(0, 900), max_size=20))
@example(cuts=list(range(900)))
def test_any_cut_gives_the_same_stream(end: bytes, cuts: list[int]) -> None:
    stream = stream_of(end)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    out, pump = pumped([stream[a:b] for a, b in pairwise(edges)])
    assert without_breakdown(out)[0] == stream
    assert out.index(b"request_breakdown") < out.rindex(b"data: [DONE]")
    assert pump.stream_ended


def test_a_stream_that_ends_without_done_has_it_last_and_one_that_broke_off_has_none() -> None:
    whole = stream_of().removesuffix(DONE)
    assert without_breakdown(pumped([whole])[0])[0] == whole
    assert pumped([whole[:-1]])[0] == whole[:-1]


def test_what_is_held_is_not_sent_before_an_error() -> None:
    pump = StreamBreakdownPump(RelayPump(Dialect.OPENAI_CHAT), asked(), 200)
    assert pump.feed(b"data: " + CHUNKS[0] + b'\n\ndata: {"id"') == b"data: " + CHUNKS[0] + b"\n\n"
    assert pump.ping() == b": ping\n\n"
    said = pump.fail(UpstreamBroke("the upstream died"))
    assert said is not None
    assert said.startswith(b"data: ")
    pump.feed(b':"1"}\n\n' + DONE)
    assert pump.fail(UpstreamBroke("later")) == b""


def test_an_event_is_not_held_for_the_next() -> None:
    pump = StreamBreakdownPump(RelayPump(Dialect.MISTRAL), asked(), 200)
    for chunk in CHUNKS:
        assert pump.feed(b"data: " + chunk + b"\n\n") == b"data: " + chunk + b"\n\n"


def test_a_whole_answer_is_added_to_at_its_end() -> None:
    body = b'{"id":"1","model":"%b","choices":[],"x":1.00}' % MODEL.encode()
    pump = WholeBreakdownPump(PLAIN, asked(), 200, JSON)
    assert [pump.feed(body[:9]), pump.feed(body[9:])] == [b"", b""]
    out = pump.end()
    assert out.startswith(body[:-1])
    assert json.loads(out)["request_breakdown"]["status_code"] == 200
    assert pump.content_type == "application/json"


@pytest.mark.parametrize(
    ("status", "kind", "fits"),
    [
        (200, JSON, True),
        (200, EVENTS, True),
        (404, JSON, False),
        (200, AnswerKind("text/html", "", False, False), False),
        (200, AnswerKind("text/event-stream", "gzip", True, False), False),
        (200, AnswerKind("application/json", "gzip", False, True), True),
    ],
)
def test_which_answers_carry_one(status: int, kind: AnswerKind, fits: bool) -> None:
    assert asked().fits(status, kind) is fits


def test_a_compressed_answer_is_decoded_and_a_damaged_one_is_an_error() -> None:
    gzipped = AnswerKind("application/json", "gzip", False, True)
    pump = WholeBreakdownPump(PLAIN, asked(), 200, gzipped)
    pump.feed(b"not gzip")
    with pytest.raises(UpstreamBroke, match="cannot be decoded"):
        pump.end()


def test_rates_are_read_once_they_are_wanted_and_there(tmp_path: Path) -> None:
    async def wanted(kept: KeptRates) -> None:
        kept.want()
        reading = kept._reading
        kept.want()
        assert kept._reading is reading
        assert reading is not None
        await reading
        await asyncio.sleep(0)

    kept = KeptRates(tmp_path)
    for content in (None, b"damaged", seal_table(encode_table(compile_published()))):
        assert kept.rates is None
        if content is not None:
            (tmp_path / table_name()).write_bytes(content)
        asyncio.run(wanted(kept))
    _, chunk = without_breakdown(pumped([stream_of()], kept)[0])
    rate = load_rates().find("mistral", MODEL, 1_795_341_600_000_000_000)
    assert rate is not None
    expected = cost(rate, Usage(input_tokens=1000, output_tokens=500))
    assert expected is not None
    assert chunk["choices"][0]["request_breakdown"]["cost"] == usd_from_nano(expected)


def test_rates_are_read_again_when_others_take_their_place(tmp_path: Path) -> None:
    async def looked(kept: KeptRates) -> bool:
        kept.look()
        reading = kept._reading
        if reading is None:
            return False
        await reading
        await asyncio.sleep(0)
        return True

    cache, folder = tmp_path / "cache", PriceFolder(tmp_path / "prices")
    cache.mkdir()
    (cache / table_name()).write_bytes(seal_table(encode_table(compile_published())))
    kept = KeptRates(cache, folder)
    assert not asyncio.run(looked(kept))  # nobody wanted them yet
    first = kept.read_now()
    kept.want()
    assert not asyncio.run(looked(kept))
    folder.put_own([RateLine("mistral", (MODEL,), date(2026, 1, 1), input=Decimal(9), output=Decimal(9))])
    assert asyncio.run(looked(kept))
    assert kept.rates is not None
    assert kept.rates is not first
    rate = kept.rates.find("mistral", MODEL, 1_795_341_600_000_000_000)
    assert rate is not None
    assert rate.prices.input == 9_000_000_000
    second = kept.rates
    (folder.path / "own.json").write_text("damaged")
    assert asyncio.run(looked(kept))
    assert kept.rates is second  # those that are here hold
    assert not asyncio.run(looked(kept))


def test_a_custom_models_prices_are_those_of_its_breakdown() -> None:
    kept = KeptRates(Path("nowhere"))
    kept.rates = load_rates()
    custom = CustomModel(
        organization_id="o1", name="fast", base=MODEL, input_price=10_000_000_000, output_price=20_000_000_000
    )
    pump = StreamBreakdownPump(RelayPump(Dialect.OPENAI_CHAT), asked(kept, custom=custom), 200)
    _, chunk = without_breakdown(pump.feed(stream_of()) + pump.end())
    assert chunk["choices"][0]["request_breakdown"]["cost"] == 1000 * 10e-6 + 500 * 20e-6
