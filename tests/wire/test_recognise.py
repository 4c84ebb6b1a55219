"""Law: a head that is recognised means what it would mean if it were parsed."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gantry.wire.body import FramingError
from gantry.wire.head import ResponseHead, parse_response_head
from gantry.wire.recognise import ResponseHeads

NAMES = st.sampled_from(
    [b"Date", b"content-type", b"Content-Length", b"Connection", b"x-id", b"X-ID", b"Set-Cookie", b"transfer-encoding"]
)
VALUES = st.sampled_from(
    [b"", b"a", b" b ", b"12", b"close", b"keep-alive", b"chunked", b"1\r\nx: y", b"\x00", b"\x7f", b"\xff", b"a\rb"]
) | st.binary(max_size=6)
LINES = st.lists(st.tuples(NAMES, VALUES), max_size=5)


def encoded(status: bytes, lines: list[tuple[bytes, bytes]]) -> bytes:
    return b"HTTP/1.1 %b OK\r\n%b\r\n" % (status, b"".join(b"%b:%b\r\n" % line for line in lines))


def meaning(head: ResponseHead) -> tuple[object, ...]:
    return (head.status, head.keep_alive, head.chunked, head.content_length, head.headers, head.fields)


def parsed(data: bytes) -> tuple[object, ...] | None:
    try:
        return meaning(parse_response_head(data))
    except FramingError:
        return None


def read(heads: ResponseHeads, data: bytes) -> tuple[object, ...] | None:
    try:
        return meaning(heads.read(data))
    except FramingError:
        return None


@given(lines=LINES, values=st.lists(VALUES, min_size=5, max_size=5), status=st.sampled_from([b"200", b"204", b"429"]))
@example(lines=[(b"x-id", b"a")], values=[b"1\r\ncontent-length: 3"] * 5, status=b"200")
@example(lines=[(b"Content-Length", b"3")], values=[b"3, 4"] * 5, status=b"200")
@example(lines=[(b"Content-Length", b"3")], values=[b" 17 "] * 5, status=b"200")
def test_recognised_is_as_good_as_parsed(lines: list[tuple[bytes, bytes]], values: list[bytes], status: bytes) -> None:
    first = encoded(status, lines)
    second = encoded(status, [(name, value) for (name, _), value in zip(lines, values, strict=False)])
    if b"\r\n\r\n" in second[:-4]:
        return  # a head is cut at its first blank line before it is read
    heads = ResponseHeads()
    for data in (first, first, first, second, second, second, first):
        if b"\r\n\r\n" not in data[:-4]:
            assert read(heads, data) == parsed(data)


def test_a_shape_that_came_twice_is_known() -> None:
    heads = ResponseHeads()
    data = [encoded(b"200", [(b"x-id", b" %d " % number), (b"content-length", b"%d" % number)]) for number in range(4)]
    assert [heads.read(one).likeness is not None for one in data] == [False, False, True, True]
    head = heads.read(data[3])
    assert (head.get(b"x-id"), head.get(b"absent"), head.content_length) == (b"3", None, 3)


@pytest.mark.parametrize(
    "line", [(b"content-type", b"text/html"), (b"connection", b"close"), (b"content-encoding", b"br")]
)
def test_what_decides_is_never_taken_for_granted(line: tuple[bytes, bytes]) -> None:
    heads = ResponseHeads()
    for _ in range(3):
        heads.read(encoded(b"200", [(line[0], b"usual")]))
    head = heads.read(encoded(b"200", [line]))
    assert head.likeness is None
    assert head.get(line[0]) == line[1]


def test_an_upstream_of_ever_new_shapes_is_read_all_the_same() -> None:
    heads = ResponseHeads()
    for number in range(500):
        head = heads.read(encoded(b"200", [(b"x-%d" % number, b"1")]))
        assert head.likeness is None
