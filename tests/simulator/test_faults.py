"""The table of faults, asked for in a header or in a model's name."""

import pytest

from gantry.simulator.compression import Encoding
from gantry.simulator.faults import (
    NO_FAULTS,
    Cut,
    FaultError,
    Faults,
    ToolCallShape,
    UsageShape,
    base_model,
    parse_header,
    parse_model,
    table,
)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", NO_FAULTS),
        ("status=429; retry-after=2", Faults(status=429, retry_after="2")),
        ("STATUS = 503 ;hang", Faults(status=503, hang=True)),
        ("cut=mid-event;at=3", Faults(cut=Cut.MID_EVENT, at=3)),
        ("stall=0.25; tokens-per-second=50", Faults(stall=0.25, tokens_per_second=50)),
        ("content-type=text/html; charset=utf-8", None),
        ("content-type=text/html", Faults(content_type="text/html")),
        ("encoding=br; usage=num-cached", Faults(encoding=Encoding.BROTLI, usage=UsageShape.NUM_CACHED)),
    ],
)
def test_a_header_asks_for_faults(text: str, faults: Faults | None) -> None:
    if faults is None:
        with pytest.raises(FaultError, match="charset"):
            parse_header(text)
    else:
        assert parse_header(text) == faults


@pytest.mark.parametrize(
    ("model", "faults"),
    [
        ("mistral-small-latest", NO_FAULTS),
        ("sim-status-429", Faults(status=429)),
        ("sim-status-429--retry-after-2", Faults(status=429, retry_after="2")),
        ("mistral-small-latest--sim-cut-mid-event", Faults(cut=Cut.MID_EVENT)),
        ("gpt-4o--sim-reset-mid", Faults(reset_mid=True)),
        ("sim-tokens-per-second-7.5--tokens-9", Faults(tokens_per_second=7.5, tokens=9)),
        ("sim-tool-calls-null-ids", Faults(tool_calls=ToolCallShape.NULL_IDS)),
    ],
)
def test_a_model_asks_for_faults(model: str, faults: Faults) -> None:
    assert parse_model(model) == faults


@pytest.mark.parametrize("model", ["sim-nonsense", "sim-status-none", "sim-status-42", "sim-cut-somewhere"])
def test_a_fault_that_is_not_in_the_table_is_refused(model: str) -> None:
    with pytest.raises(FaultError):
        parse_model(model)


def test_the_base_of_a_model_is_what_the_provider_knows() -> None:
    assert base_model("mistral-small-latest--sim-hang") == "mistral-small-latest"
    assert base_model("sim-hang") == "sim-hang"


def test_every_fault_is_documented() -> None:
    assert [name for name, _, _ in table()] == [field.replace("_", "-") for field in Faults.__struct_fields__]
    assert all(kind and meaning for _, kind, meaning in table())
