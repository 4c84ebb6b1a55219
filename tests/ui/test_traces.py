"""Traces and threads: a trace as the tree of its spans, a thread as what was said in turn."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.ui.look import Look
from tests.ui.site import Site
from tests.ui.test_logs import logged

pytestmark = pytest.mark.slow

TRACE = "0f" * 16


def span(name: str, parent: str | None, start: int, end: int, **more: Any) -> dict[str, Any]:
    """Return a span as it is posted, from one second of a minute to another."""
    return {
        "trace_unique_id": TRACE, "span_unique_id": name, "span_parent_id": parent, "span_name": name,
        "start_time": f"2026-01-01T10:00:{start:02}Z", "timestamp": f"2026-01-01T10:00:{end:02}Z",
        "latency": end - start, **more,
    }  # fmt: skip


def test_a_trace_is_a_tree_of_spans(site: Site, page: Page, look: Look) -> None:
    spans = [
        span("answer", None, 0, 9, log_type="workflow", input="How long is the bridge?"),
        span("retrieve", "answer", 1, 3, log_type="task"),
        span("look up", "retrieve", 1, 2, log_type="tool", status_code=500, error_message="busy"),
        span("write", "answer", 3, 9, log_type="chat", model="gpt-5.5", input="a question", output="about 2 km"),
    ]
    assert site.call("/api/traces/ingest", spans).body["success"]
    page.goto("/ui/traces?range=all")
    page.get_by_role("row").filter(has_text="answer").click()
    tree = page.get_by_role("list", name="Spans")
    expect(tree.get_by_role("listitem")).to_have_count(4)
    tree.get_by_role("button", name="Within retrieve").click()
    expect(tree.get_by_role("listitem")).to_have_count(3)
    tree.get_by_text("write").click()
    expect(page.get_by_label("Log", exact=True)).to_contain_text("about 2 km")
    look(page, "traces-tree")


def test_a_thread_is_said_in_turn(site: Site, page: Page, look: Look) -> None:
    asked = {"role": "user", "content": "Who pays?"}
    logged(site, page, "", messages=[asked], thread_identifier="talk-7")
    again = [asked, {"role": "assistant", "content": "Whoever passes."}, {"role": "user", "content": "And how much?"}]
    logged(site, page, "", messages=again, thread_identifier="talk-7")
    page.goto("/ui/traces?view=threads")
    thread = page.get_by_role("row").filter(has_text="talk-7")
    expect(thread).to_contain_text("And how much?")
    thread.click()
    expect(page.get_by_text("2 calls")).to_be_visible()
    expect(page.get_by_text("Who pays?", exact=True)).to_have_count(1)  # though both calls sent it
    look(page, "traces-thread")
