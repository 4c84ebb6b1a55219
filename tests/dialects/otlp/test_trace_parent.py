"""The header `traceparent`: what it says, and what says nothing."""

import pytest

from gantry.dialects.otlp.trace_parent import CallersSpan, read_trace_parent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize("text", [f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00", f"cc-{TRACE}-{SPAN}-01-what-comes"])
def test_it_says_trace_and_span(text: str) -> None:
    assert read_trace_parent(text) == CallersSpan(TRACE, SPAN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01more",
    ],
)
def test_what_has_another_form_says_nothing(text: str) -> None:
    assert read_trace_parent(text) is None
