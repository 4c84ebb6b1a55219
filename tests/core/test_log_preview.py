"""core/log_preview: the one line that a list shows of what was said."""

import pytest

from gantry.core.log_preview import LONGEST, preview_of


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (None, None),
        ("", ""),
        ("A text,\n on two lines", "A text, on two lines"),
        ('[{"role":"user","content":"1"},{"role":"assistant","content":"2"},{"role":"user","content":"3"}]', "3"),
        ('[{"role":"user","content":[{"type":"text","text":"what?"},{"type":"image_url","image_url":{}}]}]', "what?"),
        ('{"role":"assistant","content":null,"tool_calls":[{"function":{"name":"find","arguments":"{}"}}]}', "find"),
        ('{"instructions":"short","input":[{"role":"user","content":[{"type":"input_text","text":"hi"}]}]}', "hi"),
        ('["toll","road"]', "road"),
        ('{"document":{"type":"document_url","document_url":"https://example.org/a.pdf"}}', "https://example.org/a.pdf"),
        ('{"embeddings":3}', '{"embeddings":3}'),
        ("{not JSON", "{not JSON"),
        ('{"content":' * 900 + "1" + "}" * 900, '{"content":' * 21 + '{"conten…'),
    ],
)  # fmt: skip
def test_what_was_said_last_on_one_line(said: str | None, line: str | None) -> None:
    assert preview_of(said) == line


def test_a_long_text_is_cut() -> None:
    line = preview_of("word " * 10_000)
    assert line is not None
    assert (len(line), line[-1]) == (LONGEST, "…")
