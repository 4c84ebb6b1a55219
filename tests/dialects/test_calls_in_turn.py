"""Calls in turn: the one that is open passes, what else comes waits until it is known to be done."""

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from gantry.core.chat_events import CallAdded, CallBegan, PartEvent, TextAdded
from gantry.dialects.calls_in_turn import CallsInTurn


def test_a_call_passes_and_the_next_waits_for_its_end() -> None:
    calls = CallsInTurn()
    first, second = CallBegan(0, 1, "a", "f"), CallBegan(0, 2, "b", "g")
    text, after = TextAdded(0, 0, "x"), TextAdded(0, 3, "y")
    assert calls.take(text) == [text]
    assert calls.take(first) == [first]
    assert calls.take(second) == []
    assert calls.take(CallAdded(0, 2, "{}")) == []
    assert calls.take(CallAdded(0, 1, "{}")) == [CallAdded(0, 1, "{}")]
    assert calls.take(after) == [second, CallAdded(0, 2, "{}"), after]
    assert calls.rest() == []


def test_what_waits_comes_out_at_the_end_in_the_order_of_its_beginning() -> None:
    calls = CallsInTurn()
    events: list[PartEvent] = [CallBegan(0, number, str(number), "f") for number in range(3)]
    events += [CallAdded(0, number, "{}") for number in (2, 1, 0)]
    sent = [one for event in events for one in calls.take(event)] + calls.rest()
    assert [event.part for event in sent] == [0, 0, 1, 1, 2, 2]


def test_text_waits_for_the_rest_of_a_call() -> None:
    calls = CallsInTurn()
    call, text = CallBegan(0, 0, "a", "f"), TextAdded(0, 1, "x")
    assert calls.take(call) == [call]
    assert calls.take(CallAdded(0, 0, '{"a":')) == [CallAdded(0, 0, '{"a":')]
    assert calls.take(text) == []
    assert calls.take(CallAdded(0, 0, "1} ")) == [CallAdded(0, 0, "1} ")]
    assert calls.take(TextAdded(0, 1, "y")) == [text, TextAdded(0, 1, "y")]
    assert calls.take(CallAdded(0, 0, " ")) == []
    assert calls.rest() == []


def test_free_text_is_never_known_to_be_whole() -> None:
    calls = CallsInTurn()
    events: list[PartEvent] = [CallBegan(0, 0, "a", "f", custom=True), CallAdded(0, 0, "{}"), TextAdded(0, 1, "x")]
    assert [calls.take(event) for event in events] == [[events[0]], [events[1]], []]
    assert calls.rest() == [events[2]]


@given(st.lists(st.integers(0, 3), max_size=30))
def test_whatever_the_order_no_call_is_mixed_and_nothing_is_lost(order: list[int]) -> None:
    pieces = {number: ["{", '"a"', ":", "{", "}", "}"] for number in range(4)}
    begun: list[int] = []
    events: list[PartEvent] = []
    for number in [*order, *[number for number in range(4) for _ in range(7)]]:
        if number not in begun:
            begun.append(number)
            events.append(CallBegan(0, begun.index(number), str(number), "f"))
        elif pieces[number]:
            events.append(CallAdded(0, begun.index(number), pieces[number].pop(0)))
    calls = CallsInTurn()
    sent = [one for event in events for one in calls.take(event)] + calls.rest()
    assert [part for part, _ in groupby(event.part for event in sent)] == [0, 1, 2, 3]
    for part in range(4):
        assert [event for event in sent if event.part == part] == [event for event in events if event.part == part]
