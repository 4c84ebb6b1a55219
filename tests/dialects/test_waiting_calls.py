"""Which call a result is of: against the plain way to find it, which looks at every call again."""

from hypothesis import given
from hypothesis import strategies as st

from gantry.dialects.waiting_calls import WaitingCalls

IDS = st.sampled_from(("a", "b", "c"))
NAMES = st.sampled_from(("f", "g"))
STEPS = st.lists(st.tuples(st.just("call"), IDS, NAMES) | st.tuples(st.just("result"), st.none() | IDS, NAMES))


@given(STEPS)
def test_a_result_finds_its_call(steps: list[tuple[str, str | None, str]]) -> None:
    calls = WaitingCalls()
    waiting: list[tuple[str, str]] = []
    for kind, call_id, name in steps:
        if kind == "call":
            assert call_id is not None
            calls.add(call_id, name)
            waiting.append((call_id, name))
            continue
        if call_id is not None:
            found = next((call for call in waiting if call[0] == call_id), None)
        else:
            found = next((call for call in waiting if call[1] == name), waiting[0] if waiting else None)
        if found is not None:
            waiting.remove(found)
        assert calls.answer(call_id, name) == (None if found is None else found[0])
