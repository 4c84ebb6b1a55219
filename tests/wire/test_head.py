"""HTTP/1.1 framing: transcripts of bytes in, heads and bodies out, however the bytes are cut."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.errors import GatewayError, HeadersTooLarge, InvalidRequest
from gantry.wire.body import MAX_CHUNK_LINE, BodyReader, ChunkedBody, CloseBody, FramingError, LengthBody, encode_chunk
from gantry.wire.head import find_head_end, parse_request_head, parse_response_head
from gantry.wire.recognise import HeadTemplate

HOST = b"Host: gantry\r\n"


def feed_in_pieces(body: BodyReader, data: bytes, cuts: list[int]) -> bytes:
    """Feed the data cut at the given places; return the payload. What follows the body ends up in `rest`."""
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    payload = b""
    for start, end in pairwise(edges):
        if body.done:
            body.rest += data[start:end]
        else:
            payload += body.feed(data[start:end])
    return payload


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.binary(max_size=10), st.lists(st.integers(0, 500)))
def test_chunks_mean_the_same_however_they_are_cut(pieces: list[bytes], after: bytes, cuts: list[int]) -> None:
    wire = b"".join(encode_chunk(piece) for piece in pieces) + b"0\r\nx-trailer: 1\r\n\r\n"
    body = ChunkedBody()
    payload = feed_in_pieces(body, wire + after, cuts)
    assert payload == b"".join(pieces)
    assert body.done
    assert body.rest == after


@given(st.binary(max_size=60), st.binary(max_size=10), st.lists(st.integers(0, 500)))
def test_a_length_ends_a_body(payload: bytes, after: bytes, cuts: list[int]) -> None:
    body = LengthBody(len(payload))
    assert feed_in_pieces(body, payload + after, cuts) == payload
    assert body.done
    assert body.rest == after


@pytest.mark.parametrize(
    "wire",
    [
        b"g\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b" 1\r\n",
        b"0x1\r\n",
        b"\r\n",
        b"1\n",
        b"1\rx\n",
        b"ffffffffffffffff\r\n",
        b"1_0\r\n",
        b"1;\x00\r\n",
        b"1;" + b"e" * MAX_CHUNK_LINE + b"\r\n",
        b"1;" + b"e" * (MAX_CHUNK_LINE + 1),
        b"1\r\nab\r\n",
        b"1\r\na\n",
        b"1\r\na\rb",
        b"0\r\nno colon\r\n\r\n",
        b"0\r\n folded: 1\r\n\r\n",
        b"0\r\n" + b"t: " + b"x" * 1000 + b"\r\n" * 1 + (b"t: " + b"x" * 1000 + b"\r\n") * 9 + b"\r\n",
    ],
)
def test_malformed_chunks_are_refused_whole_and_byte_by_byte(wire: bytes) -> None:
    with pytest.raises(FramingError):
        ChunkedBody().feed(wire)
    body = ChunkedBody()
    with pytest.raises(FramingError):
        feed_in_pieces(body, wire, list(range(len(wire))))


def test_a_cut_body_is_told_from_a_complete_one() -> None:
    for body in (LengthBody(3), ChunkedBody()):
        with pytest.raises(FramingError):
            body.close()
    until_close = CloseBody()
    assert until_close.feed(b"abc") == b"abc"
    until_close.close()
    assert until_close.done


def test_a_request_head() -> None:
    head = parse_request_head(
        b"POST /api/v1/chat/completions?x=1 HTTP/1.1\r\n"
        + HOST
        + b"Accept: a\r\naccept: b\r\nContent-Length: 12\r\n\r\n"
    )
    assert (head.method, head.target, head.version) == ("POST", b"/api/v1/chat/completions?x=1", "1.1")
    assert head.fields[b"accept"] == b"a, b"
    assert head.headers[:2] == [(b"host", b"gantry"), (b"accept", b"a")]
    assert head.has_body
    assert head.content_length == 12
    assert head.keep_alive
    assert not head.expects_continue


@pytest.mark.parametrize(
    ("lines", "keeps"),
    [
        (b"GET / HTTP/1.1\r\n" + HOST, True),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n" + HOST, False),
        (b"GET / HTTP/1.0\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n", True),
    ],
)
def test_keep_alive(lines: bytes, keeps: bool) -> None:
    assert parse_request_head(lines + b"\r\n").keep_alive is keeps


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3, 3\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +3\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -3\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0x3\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: \r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, identity\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: identity\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding:\x0bchunked\r\n\r\n",
        b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X : a\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\rb: c\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\nb: c\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b": a\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"no colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        b"GET / HTTP/2.0\r\n" + HOST + b"\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
        b"GET / HTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /\r\n\r\n",
        b"GET / / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"FOO / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"GET /\x80 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"\rPOST / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"\nPOST / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"\r\nPOST / HTTP/1.1\r\n" + HOST + b"\r\n",
    ],
)
def test_ambiguous_and_malformed_heads_are_refused(head: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_request_head(head)


def test_a_head_is_bounded() -> None:
    long_line = b"GET /" + b"a" * 100 + b" HTTP/1.1\r\n"
    with pytest.raises(HeadersTooLarge):
        find_head_end(long_line, 100)
    with pytest.raises(HeadersTooLarge):
        find_head_end(long_line + HOST + b"\r\n", 100)
    many = b"".join(b"x-%d: 1\r\n" % number for number in range(200))
    with pytest.raises(HeadersTooLarge):
        parse_request_head(b"GET / HTTP/1.1\r\n" + HOST + many + b"\r\n")


@pytest.mark.parametrize("start", [b"\x16\x03\x01\x02", b"get / HTTP/1.1", b"GET / HTTP/1.1\nHost: a\n\n"])
def test_what_can_never_be_a_head_is_not_waited_for(start: bytes) -> None:
    with pytest.raises(InvalidRequest):
        find_head_end(start, 1000)


def test_an_unfinished_head_is_waited_for() -> None:
    whole = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
    for size in range(len(whole)):
        assert find_head_end(whole[:size], 1000) == -1
    assert find_head_end(whole + b"more", 1000) == len(whole)


@pytest.mark.parametrize(
    ("method", "head", "kind"),
    [
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", LengthBody),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ChunkedBody),
        ("GET", b"HTTP/1.1 200 OK\r\n\r\n", CloseBody),
        ("GET", b"HTTP/1.0 200 OK\r\n\r\n", CloseBody),
    ],
)
def test_response_framing(method: str, head: bytes, kind: type) -> None:
    assert isinstance(parse_response_head(head).body_reader(method), kind)


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", b"200 OK"), ("GET", b"204 No Content"), ("GET", b"304 Not Modified")]
)
def test_responses_without_a_body(method: str, status: bytes) -> None:
    reader = parse_response_head(b"HTTP/1.1 " + status + b"\r\nContent-Length: 7\r\n\r\n").body_reader(method)
    assert reader.done


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"SPDY/1 200 OK\r\n\r\n",
        b"\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n",
    ],
)
def test_malformed_responses_are_refused(head: bytes) -> None:
    with pytest.raises(FramingError):
        parse_response_head(head)


@given(st.binary(max_size=4) | st.sampled_from((b"\r", b"\n", b"\r\n")), st.binary(max_size=20))
def test_a_head_amid_any_bytes_is_itself_or_one_of_our_errors(before: bytes, within: bytes) -> None:
    data = before + b"GET /x HTTP/1.1\r\n" + HOST + b"X: " + within + b"\r\n\r\n"
    try:
        head = parse_request_head(data[: find_head_end(data, 200)])
    except GatewayError:
        return
    assert head.method.isalpha()
    assert head.target == b"/x"
    assert not any(c in name + value for name, value in head.headers for c in b"\r\n\0")


@given(
    st.lists(
        st.tuples(
            st.from_regex(re.compile(r"[a-z][a-z0-9-]{0,10}"), fullmatch=True).filter(
                lambda name: name not in ("host", "content-length", "transfer-encoding", "connection", "upgrade")
            ),
            st.from_regex(re.compile(r"[!-~]([ -~]{0,20}[!-~])?"), fullmatch=True),
        ),
        max_size=10,
    )
)
def test_headers_survive_writing_and_reading(headers: list[tuple[str, str]]) -> None:
    lines = [(b"host", b"gantry"), *((name.encode(), value.encode()) for name, value in headers)]
    head = b"GET / HTTP/1.1\r\n%b\r\n" % b"".join([b"%b: %b\r\n" % line for line in lines])
    assert parse_request_head(head).headers == lines


@given(
    st.integers(0, 10**17),
    st.integers(0, 10**17),
    st.sampled_from([b"Content-Length: ", b"content-length:", b"CONTENT-LENGTH:\t "]),
)
def test_a_template_matches_what_parses_alike_and_nothing_else(first: int, second: int, name: bytes) -> None:
    def head(length: int, agent: bytes = b"a") -> bytes:
        return b"POST /x HTTP/1.1\r\n" + HOST + name + b"%d\r\nUser-Agent: %b\r\n\r\n" % (length, agent)

    template = HeadTemplate(head(first), parse_request_head(head(first)))
    again = template.match(head(second))
    assert again is not None
    fresh = parse_request_head(head(second))
    assert (again.content_length, again.method, again.target) == (fresh.content_length, fresh.method, fresh.target)
    assert template.match(head(second, b"b")) is None
    assert template.match(head(second).replace(b"POST", b"PUT ")) is None


@pytest.mark.parametrize(
    "digits", [b"", b"+1", b"-1", b"1 ", b"1\r\nX: y", b"1" * 19, b"1, 1", b"0x1", b"1\r\nContent-Length: 1"]
)
def test_a_template_takes_digits_only(digits: bytes) -> None:
    def head(length: bytes) -> bytes:
        return b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: " + length + b"\r\nUser-Agent: a\r\n\r\n"

    template = HeadTemplate(head(b"5"), parse_request_head(head(b"5")))
    assert template.match(head(digits)) is None


def test_a_template_without_a_length_matches_itself() -> None:
    data = b"GET /x HTTP/1.1\r\n" + HOST + b"\r\n"
    template = HeadTemplate(data, parse_request_head(data))
    assert template.match(data) is not None
    assert template.match(data[:-2] + b"Content-Length: 3\r\n\r\n") is None
