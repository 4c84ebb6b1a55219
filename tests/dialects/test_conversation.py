"""What a conversation is known by."""

import pytest
from msgspec import Raw

from gantry.dialects.conversation import conversation_key

TURNS = Raw(b'[{"role":"user","content":"hi"}]')


def test_a_clients_own_key_is_what_a_conversation_is_known_by() -> None:
    one, two = ({"prompt_cache_key": Raw(key), "messages": TURNS} for key in (b'"one"', b'"two"'))
    keys = [conversation_key(members, 9, "o1", always=False) for members in (one, one, two)]
    assert keys[0] == keys[1] != keys[2]
    assert None not in keys


@pytest.mark.parametrize("named", [b"null", b'""'])
def test_a_key_that_names_nothing_ties_nobody(named: bytes) -> None:
    """Or all the calls of an organization would be one conversation, at one deployment."""
    members = {"prompt_cache_key": Raw(named), "messages": TURNS}
    assert conversation_key(members, 9, "o1", always=False) is None
    assert conversation_key(members, 9, "o1", always=True) == conversation_key(
        {"messages": TURNS}, 9, "o1", always=True
    )


@pytest.mark.parametrize("turns", [b'[{"role":"\xff"}]', b'["\xff"]', b"[" * 100_000, b'{"role":1}', b'[{"role":1}]'])
def test_what_is_no_list_of_turns_is_a_conversation_too(turns: bytes) -> None:
    """Its provider will say what is wrong with it."""
    assert conversation_key({"messages": Raw(turns)}, 9, "o1", always=True) is not None
