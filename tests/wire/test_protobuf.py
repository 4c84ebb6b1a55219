"""Protocol Buffers' wire format: what is written is read, and what is no message is said to be none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.wire.protobuf import (
    FIXED32,
    FIXED64,
    LENGTH,
    VARINT,
    Budget,
    Unreadable,
    Value,
    encode_bytes,
    encode_number,
    read_fields,
    signed_in,
    tag,
    text_in,
)

NUMBERS = st.integers(1, 2**29 - 1)
FIELDS = st.lists(
    st.one_of(
        st.tuples(st.just(VARINT), NUMBERS, st.integers(1, 2**64 - 1)),
        st.tuples(st.just(LENGTH), NUMBERS, st.binary(min_size=1, max_size=300)),
    )
)


@given(FIELDS)
def test_what_is_written_is_read(fields: list[tuple[int, int, Value]]) -> None:
    message = b"".join(
        encode_number(number, value) if isinstance(value, int) else encode_bytes(number, value)
        for _, number, value in fields
    )
    assert list(read_fields(message)) == [(tag(number, kind), value) for kind, number, value in fields]


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_unreadable(message: bytes) -> None:
    try:
        read = list(read_fields(message))
    except Unreadable:
        return
    assert sum(len(value) for _, value in read if isinstance(value, bytes)) <= len(message)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("08", "has no end"),
        ("08 ffffffffffffffffffff01", "has no end"),
        ("0a 05 6869", "ends within"),
        ("0a ffffffff0f 00", "ends within"),
        ("09 00000000000000", "ends within"),
        ("00 01", "no field 0"),
        ("0b 0c", "a group"),
        ("0e", "no wire type 6"),
    ],
)
def test_what_is_no_message_says_why(message: str, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        list(read_fields(bytes.fromhex(message)))


def test_fixed_numbers_and_signed_ones() -> None:
    message = bytes.fromhex("0d 01000000 11 ffffffffffffffff 18 ffffffffffffffffff01")
    assert list(read_fields(message)) == [
        (tag(1, FIXED32), 1),
        (tag(2, FIXED64), 2**64 - 1),
        (tag(3, VARINT), 2**64 - 1),
    ]
    assert (signed_in(2**64 - 1), signed_in(2**63 - 1)) == (-1, 2**63 - 1)


def test_defaults_are_left_out() -> None:
    assert encode_number(1, 0) + encode_bytes(2, b"") == b""


def test_a_text_is_utf_8() -> None:
    assert text_in("é".encode()) == "é"
    with pytest.raises(Unreadable, match="UTF-8"):
        text_in(b"\xff")


def test_a_budget_bounds_how_many_and_how_deep() -> None:
    budget = Budget(2, 3, 4)
    budget.spend(3)
    with pytest.raises(Unreadable, match="deeper than 3"):
        budget.spend(4)
    with pytest.raises(Unreadable, match="too many"):
        budget.spend()


def test_a_budget_counts_fields_that_nobody_reads() -> None:
    message = encode_number(9, 1) * 3
    budget = Budget(2, 3, 4)
    assert len(list(budget.fields_of(message))) == 3
    with pytest.raises(Unreadable, match="too many fields"):
        list(budget.fields_of(message))
