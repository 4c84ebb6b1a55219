"""The event stream of Amazon: its layout byte by byte, every kind of header, every cut, every broken checksum."""

from uuid import UUID
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.wire.aws_event_stream import (
    EventMessage,
    EventStreamParser,
    HeaderKind,
    HeaderValue,
    encode_headers,
    encode_message,
    text_headers,
)

# The published examples of the format: an empty message, a payload alone, a header and a payload.
EMPTY = bytes.fromhex("0000001000000000 05c248eb 7d98c8ff")
PAYLOAD = bytes.fromhex("0000001d00000000 fd528c5a") + b"{'foo':'bar'}" + bytes.fromhex("c3653936")
WITH_HEADER = (
    bytes.fromhex("0000003d00000020 07fd8396 0c")
    + b"content-type"
    + bytes.fromhex("07 0010")
    + b"application/json"
    + b"{'foo':'bar'}"
    + bytes.fromhex("8d9c08b1")
)
EVENT = encode_message(
    text_headers(
        ((":event-type", "contentBlockDelta"), (":content-type", "application/json"), (":message-type", "event"))
    ),
    b'{"contentBlockIndex":0,"delta":{"text":"h\xc3\xa9"}}',
)


def test_the_published_examples_are_read() -> None:
    parser = EventStreamParser()
    messages = parser.feed(EMPTY + PAYLOAD + WITH_HEADER)
    assert parser.fault is None
    assert messages == [
        EventMessage({}, b""),
        EventMessage({}, b"{'foo':'bar'}"),
        EventMessage({"content-type": HeaderValue(HeaderKind.STRING, "application/json")}, b"{'foo':'bar'}"),
    ]


def test_the_published_examples_are_written() -> None:
    assert encode_message(b"", b"") == EMPTY
    assert encode_message(b"", b"{'foo':'bar'}") == PAYLOAD
    headers = text_headers((("content-type", "application/json"),))
    assert encode_message(headers, b"{'foo':'bar'}") == WITH_HEADER


def test_a_text_header_is_found_by_name_and_others_are_empty() -> None:
    (message,) = EventStreamParser().feed(EVENT)
    assert message.text(":event-type") == "contentBlockDelta"
    assert message.text(":exception-type") == ""
    number = EventMessage({"n": HeaderValue(HeaderKind.INT, 5)}, b"")
    assert number.text("n") == ""


def test_every_kind_of_header_is_read() -> None:
    block = bytes.fromhex(
        "0161 00"  # a: true
        "0162 01"  # b: false
        "0163 02 ff"  # c: byte
        "0164 03 8000"  # d: short
        "0165 04 7fffffff"  # e: int
        "0166 05 ffffffffffffffff"  # f: long
        "0167 06 0003 000102"  # g: bytes
        "0168 07 0002 c3a9"  # h: string
        "0169 08 0000000083215600"  # i: timestamp
        "016a 09 0102030405060708090a0b0c0d0e0f10"  # j: uuid
    )
    (message,) = EventStreamParser().feed(encode_message(block, b""))
    assert {name: (header.kind, header.value) for name, header in message.headers.items()} == {
        "a": (HeaderKind.TRUE, True),
        "b": (HeaderKind.FALSE, False),
        "c": (HeaderKind.BYTE, -1),
        "d": (HeaderKind.SHORT, -32768),
        "e": (HeaderKind.INT, 2**31 - 1),
        "f": (HeaderKind.LONG, -1),
        "g": (HeaderKind.BYTES, b"\x00\x01\x02"),
        "h": (HeaderKind.STRING, "é"),
        "i": (HeaderKind.TIMESTAMP, 0x83215600),
        "j": (HeaderKind.UUID, UUID("01020304-0506-0708-090a-0b0c0d0e0f10")),
    }
    assert encode_headers(message.headers) == block


VALUES = st.one_of(
    st.just(HeaderValue(HeaderKind.TRUE, True)),
    st.just(HeaderValue(HeaderKind.FALSE, False)),
    st.integers(-(2**7), 2**7 - 1).map(lambda n: HeaderValue(HeaderKind.BYTE, n)),
    st.integers(-(2**15), 2**15 - 1).map(lambda n: HeaderValue(HeaderKind.SHORT, n)),
    st.integers(-(2**31), 2**31 - 1).map(lambda n: HeaderValue(HeaderKind.INT, n)),
    st.integers(-(2**63), 2**63 - 1).map(lambda n: HeaderValue(HeaderKind.LONG, n)),
    st.integers(-(2**63), 2**63 - 1).map(lambda n: HeaderValue(HeaderKind.TIMESTAMP, n)),
    st.binary(max_size=300).map(lambda data: HeaderValue(HeaderKind.BYTES, data)),
    st.text(max_size=100).map(lambda text: HeaderValue(HeaderKind.STRING, text)),
    st.uuids().map(lambda one: HeaderValue(HeaderKind.UUID, one)),
)
NAMES = st.text(min_size=1, max_size=60)
MESSAGES = st.builds(EventMessage, st.dictionaries(NAMES, VALUES, max_size=5), st.binary(max_size=200))


@given(st.lists(MESSAGES, max_size=5), st.data())
def test_any_cut_gives_the_messages_that_were_written(messages: list[EventMessage], data: st.DataObject) -> None:
    raw = b"".join(encode_message(encode_headers(one.headers), one.payload) for one in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    parser = EventStreamParser()
    read: list[EventMessage] = []
    for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        read += parser.feed(raw[start:end])
    parser.close()
    assert (read, parser.fault) == (messages, None)


def test_byte_by_byte_is_as_whole() -> None:
    raw = EVENT + WITH_HEADER + EVENT
    parser = EventStreamParser()
    read = [message for at in range(len(raw)) for message in parser.feed(raw[at : at + 1])]
    assert read == EventStreamParser().feed(raw)


@pytest.mark.parametrize("at", range(len(EVENT)))
def test_any_changed_byte_is_a_fault_and_the_messages_before_it_are_kept(at: int) -> None:
    broken = bytearray(EVENT)
    broken[at] ^= 0x20
    parser = EventStreamParser()
    assert len(parser.feed(WITH_HEADER + bytes(broken))) == 1
    assert parser.fault is not None
    assert "checksum" in parser.fault
    assert parser.feed(EVENT) == []


def prelude(total: int, headers: int) -> bytes:
    lengths = total.to_bytes(4, "big") + headers.to_bytes(4, "big")
    return lengths + crc32(lengths).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (prelude(1 << 30, 0), "larger than"),
        (prelude(1000, 200 * 1024), "larger than"),
        (prelude(16, 1) + bytes(4), "shorter than its own headers"),
        (prelude(0, 0), "shorter than its own headers"),
        (encode_message(b"\x01a\x0b", b""), "headers that cannot be read"),
        (encode_message(b"\x01a\x04\x00", b""), "headers that cannot be read"),
        (encode_message(b"\x05a", b""), "headers that cannot be read"),
        (encode_message(b"\x01\xff\x00", b""), "headers that cannot be read"),
        (encode_message(b"\x01a\x07\x00\x09b", b""), "headers that end too early"),
        (encode_message(b"\x01a\x00\x01a\x01", b""), "twice"),
    ],
)
def test_what_cannot_be_a_message_is_said(raw: bytes, words: str) -> None:
    parser = EventStreamParser()
    assert parser.feed(raw) == []
    assert words in (parser.fault or "")


def test_an_end_inside_a_message_is_a_fault_and_between_messages_is_none() -> None:
    parser = EventStreamParser()
    parser.feed(EVENT)
    parser.close()
    assert parser.fault is None
    parser = EventStreamParser()
    parser.feed(EVENT[:-1])
    parser.close()
    assert parser.fault == "the event stream ended inside a message"


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("", HeaderValue(HeaderKind.TRUE, True)),
        ("n" * 256, HeaderValue(HeaderKind.TRUE, True)),
        ("n", HeaderValue(HeaderKind.BYTE, 128)),
        ("n", HeaderValue(HeaderKind.STRING, 5)),
        ("n", HeaderValue(HeaderKind.UUID, "x")),
        ("n", HeaderValue(HeaderKind.BYTES, b"x" * 70_000)),
    ],
)
def test_a_header_that_cannot_be_written_is_refused(name: str, header: HeaderValue) -> None:
    with pytest.raises(ValueError, match="header"):
        encode_headers({name: header})
