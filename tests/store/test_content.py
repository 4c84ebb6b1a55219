"""What was said in a call comes back as it was, small or large."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gantry.store.content import Content, pack_content, unpack_content

TEXT = st.none() | st.text()
BYTES = st.none() | st.binary()


@given(st.builds(Content, BYTES, TEXT, BYTES, TEXT), st.integers(1, 300))
def test_what_is_packed_comes_back(content: Content, times: int) -> None:
    large = structs.replace(content, full_response=(content.full_response or b"") * times)
    assert unpack_content(pack_content(large)) == large


def test_what_stands_in_the_raw_exchange_is_kept_as_its_place_there() -> None:
    said = "[" + "é word " * 80 + "]"
    raw = f'{{"messages":{said}}}'.encode()
    content = Content(raw, said, raw, None)
    assert unpack_content(pack_content(content)) == content
    alone = len(pack_content(Content(raw[:900], None, None, None)))
    assert len(pack_content(Content(raw[:900], said[:300], None, None))) <= alone + 6


@given(st.text(), st.text(), st.text(), st.binary())
def test_a_place_gives_back_the_same_text(before: str, said: str, after: str, noise: bytes) -> None:
    content = Content((before + said + after).encode() + noise, said, noise, said)
    assert unpack_content(pack_content(content)) == content


@given(
    st.lists(st.sampled_from(("one beginning of many texts ", "that go on otherwise ", "é")), max_size=12), st.data()
)
def test_texts_that_begin_alike_are_told_apart(pieces: list[str], data: st.DataObject) -> None:
    said = "".join(data.draw(st.lists(st.sampled_from(pieces), max_size=6)) if pieces else [])
    raw = "".join(pieces).encode()
    content = Content(raw, said, raw, said)
    assert unpack_content(pack_content(content)) == content


def test_small_content_is_not_compressed_and_large_content_is() -> None:
    small = Content(b"x" * 100, None, None, None)
    assert len(pack_content(small)) > 100
    large = Content(b"a line of an answer\n" * 10_000, None, None, None)
    assert len(pack_content(large)) < 10_000
