"""Patterns that callers write: what is let through takes a bounded time."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.store.full_text import match_text, phrases_in, said_words
from gantry.store.text_patterns import PatternRefused, check_like, check_regex, matches_regex, trigrams_of


@pytest.mark.parametrize(
    "pattern", ["^mistral-.*-2[0-9]+$", r"a\.b\d{2,4}", "[+*(]+x", "(a|b)?c", "[^]]x*", "a{3}", ""]
)
def test_patterns_that_pass(pattern: str) -> None:
    check_regex(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+",
        "(a|a)*",
        "a**",
        "a*b*c*",
        "(?=a)",
        r"(a)\1",
        "a{1,}b*c+",
        "a{99}",
        "(",
        "x" * 101,
        "a{0,20}b{0,20}c{0,20}d?e{2}f{2}",
        r"\bx",
        r"\p{L}",
    ],
)
def test_patterns_that_do_not(pattern: str) -> None:
    with pytest.raises(PatternRefused):
        check_regex(pattern)


def test_a_long_text_is_read_to_its_bound() -> None:
    assert matches_regex("x$", "a" * 253 + "xb") is True
    assert matches_regex("b", "a" * 254 + "b") is False
    assert matches_regex("a", None) is None


def test_like_patterns_end_outside_an_escape() -> None:
    check_like("a\\\\")
    with pytest.raises(PatternRefused):
        check_like("a\\")


def test_trigrams() -> None:
    assert trigrams_of("Ab c") == [" ab", "ab ", " c "]
    for words in ("", "!!", "".join(map(chr, range(0x4E00, 0x4F00)))):
        with pytest.raises(PatternRefused):
            trigrams_of(words)


@pytest.mark.parametrize(
    ("search", "expression"),
    [
        ("a b", '"a" AND "b"'),
        ('"a b" c*', '"a b" AND "c" *'),
        ("don't", '"don t"'),
        ('" OR 1=1 --', '"OR 1 1"'),
        ("!! *", ""),
        ("NOT near(a)", '"NOT" AND "near a"'),
    ],
)
def test_a_search_becomes_quoted_words(search: str, expression: str) -> None:
    assert match_text(phrases_in(search)) == expression


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (None, ""),
        ("plain\0text", "plain text"),
        (
            '[{"role":"user","content":[{"type":"text","text":"hi\\nyou"},{"type":"image_url","image_url":"data:x"}]}]',
            "hi\nyou",
        ),
        ('{"content":null,"tool_calls":[{"id":"x","function":{"name":"f","arguments":"{}"}}]}', "f {}"),
        ('{"data":"x","b":"' + "A" * 600 + '"}', ""),
        ("[not json", "[not json"),
        ("x" * 70_000, "x" * 65_536),
    ],
)
def test_what_is_said_is_text_and_not_its_wrapping(said: str | None, words: str) -> None:
    assert said_words(said) == words


TEXTS = st.text(max_size=20) | st.sampled_from(["A" * 600, "ä" * 600, "two words " * 60])
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "assistant"]),
        "content": TEXTS
        | st.none()
        | st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS}), max_size=2),
        "tool_calls": st.none() | st.lists(st.fixed_dictionaries({"id": TEXTS, "name": TEXTS}), max_size=2),
        "refusal": st.none() | TEXTS,
        "name": TEXTS,
    },
)
SILENT = {"role", "type", "id"}


def texts_in(value: object) -> list[str]:
    if isinstance(value, str):
        return [value] if len(value) < 513 or " " in value[:512] or not value[:512].isascii() else []
    if isinstance(value, dict):
        return [text for name, member in value.items() if name not in SILENT for text in texts_in(member)]
    return [text for item in value for text in texts_in(item)] if isinstance(value, list) else []


@given(st.lists(MESSAGES, max_size=4) | MESSAGES)
def test_messages_of_the_common_form_are_read_as_all_others(said: object) -> None:
    assert said_words(json.dumps(said)) == " ".join(texts_in(said)).replace("\0", " ")
