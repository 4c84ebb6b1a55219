"""Tool calls in turn: the first passes, the others wait until it is known to be done."""

from gantry.core.chat_events import CallAdded, CallBegan, TextAdded
from gantry.dialects.calls_in_turn import CallsInTurn, PartEvent


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
