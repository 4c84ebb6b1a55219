"""A key's rights inside another's: no name that the inner patterns fit is missed by the outer ones."""

from fnmatch import fnmatchcase
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gantry.core.vocabulary import DEFAULT_SCOPES, Environment, Scope
from gantry.store.key_rights import KeyPolicy, RightsExceeded, check_within, is_inside, narrowed

NAMES = ["".join(letters) for length in range(5) for letters in product("ab", repeat=length)]
patterns = st.text("ab*?", max_size=5)
lists = st.lists(st.text("ab*?[]", min_size=1, max_size=4), max_size=3).map(tuple)


@given(patterns, patterns)
def test_what_is_seen_to_be_inside_is_inside(inner: str, outer: str) -> None:
    if is_inside(inner, (outer,)):
        assert all(fnmatchcase(name, outer) for name in NAMES if fnmatchcase(name, inner))


@pytest.mark.parametrize(
    ("inner", "outer", "inside"),
    [
        ("mistral-small-latest", "mistral-*", True),
        ("mistral-small-*", "mistral-*", True),
        ("mistral-*", "mistral-small-*", False),
        ("*", "*", True),
        ("**", "*", True),
        ("*", "a*", False),
        ("a?c", "a?c", True),
        ("abc", "a?c", True),
        ("a*c", "a?c", False),
        ("a?", "a*", True),
        ("a[bc]", "a[bc]", True),
        ("ab", "a[bc]", False),  # it is, and is not looked into
        ("[", "*", False),
        ("Mistral-x", "mistral-*", False),
    ],
)
def test_some_patterns(inner: str, outer: str, inside: bool) -> None:
    assert is_inside(inner, (outer,)) is inside
    assert is_inside(inner, ()) is True


policies = st.builds(
    KeyPolicy,
    environment=st.sampled_from(Environment),
    scopes=st.integers(1, 63).map(Scope),
    models=lists,
    surfaces=st.lists(st.sampled_from(("mistral", "openai", "chat")), max_size=3, unique=True).map(tuple),
    expires_at=st.one_of(st.none(), st.integers(1, 9)),
)


@given(policies, policies)
def test_what_is_narrowed_is_inside_and_what_is_inside_stays(policy: KeyPolicy, outer: KeyPolicy) -> None:
    less = narrowed(policy, outer)
    if less is not None:
        check_within(less, outer)
        assert narrowed(less, outer) == less
    try:
        check_within(policy, outer)
        fits = True
    except RightsExceeded:
        fits = False
    assert (less == policy) is fits


def test_the_right_that_is_exceeded_is_named() -> None:
    outer = KeyPolicy(scopes=DEFAULT_SCOPES, expires_at=5, models=("a*",), surfaces=("chat",))
    check_within(outer, outer)
    for right, beyond in (("scopes", Scope.MANAGE), ("expires_at", 6), ("models", ("b",)), ("surfaces", ())):
        with pytest.raises(RightsExceeded) as caught:
            check_within(structs.replace(outer, **{right: beyond}), outer)
        assert caught.value.right == right
