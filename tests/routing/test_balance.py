"""Which deployment takes a call: tables of what is drawn, and the laws of a conversation's home."""

from collections import Counter
from collections.abc import Iterator, Mapping
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.routing_rules import Affinity, Strategy
from gantry.routing.balance import Load, Reason, Ties, draw, draw_regardless
from gantry.routing.cooldown import Condition
from gantry.routing.plan import Choice
from tests.routing.boards import Known, choice

WELL, DUE, COOLING = Condition.WELL, Condition.DUE, Condition.COOLING


def drawn(
    among: Choice,
    chance: float = 0.0,
    *,
    conditions: Mapping[str, Condition] | None = None,
    loads: Mapping[str, Load] | None = None,
    prices: Mapping[str, int] | None = None,
    avoid: str = "",
    conversation: bytes | None = None,
    may_probe: bool = True,
) -> str:
    """Return who is drawn and why: `a weight 0.50`; `none` where nobody is well."""
    view = Known(conditions, loads, prices)
    ids = {f"{name}/first" for name in avoid}
    one = draw(among, view, lambda: chance, ties=Ties(conversation), avoid=ids, may_probe=may_probe)
    return "none" if one is None else f"{one.attempt.credential.name} {one.reason} {one.share:.2f}"


ABC = choice("first", "abc", weights=(5, 3, 2))
LATENCY = choice("first", "ab", strategy=Strategy.LEAST_LATENCY)
BUSY = choice("first", "ab", strategy=Strategy.LEAST_BUSY)
CHEAP = choice("first", "abc", weights=(1, 1, 3), strategy=Strategy.CHEAPEST)


@pytest.mark.parametrize(
    ("chance", "conditions", "avoid", "told"),
    [
        (0.0, {}, "", "a weight 0.50"),
        (0.49, {}, "", "a weight 0.50"),
        (0.5, {}, "", "b weight 0.30"),
        (0.99, {}, "", "c weight 0.20"),
        (0.0, {"a": COOLING}, "", "b weight 0.60"),
        (0.0, {}, "a", "b weight 0.60"),
        (0.0, {"a": COOLING}, "b", "c only 1.00"),
        (0.0, {"c": DUE}, "", "c probe 0.20"),
        (0.0, {"c": DUE}, "c", "a weight 0.62"),
        (0.0, dict.fromkeys("abc", COOLING), "", "none"),
        (0.0, {}, "abc", "none"),
    ],
)
def test_by_weight(chance: float, conditions: Mapping[str, Condition], avoid: str, told: str) -> None:
    assert drawn(ABC, chance, conditions=conditions, avoid=avoid) == told


def test_what_is_due_is_left_alone_by_a_call_that_cannot_be_sent_twice() -> None:
    assert drawn(ABC, conditions={"a": DUE}, may_probe=False) == "b weight 0.60"


@pytest.mark.parametrize(
    ("among", "facts", "told"),
    [
        (LATENCY, {"loads": {"a": Load(0.9), "b": Load(0.2)}}, "b latency 0.50"),
        (LATENCY, {"loads": {"a": Load(0.9), "b": Load(0.2, busy=9)}}, "a latency 0.50"),
        (LATENCY, {"loads": {"a": Load(0.9)}}, "b latency 0.50"),  # not measured yet: to be tried
        (BUSY, {"loads": {"a": Load(0.1, busy=3), "b": Load(9.0, busy=2)}}, "b load 0.50"),
        (CHEAP, {"prices": {"a": 300, "b": 200, "c": 200}}, "b price 0.25"),
        (CHEAP, {"prices": {"a": 300}}, "a price 1.00"),
        (CHEAP, {}, "a price 0.20"),  # no price is known: by weight
    ],
)
def test_by_strategy(among: Choice, facts: Mapping[str, Mapping[str, object]], told: str) -> None:
    assert drawn(among, **facts) == told  # type: ignore[arg-type]


@pytest.mark.parametrize("weights", [(0, 0, 1), (0, 1, 0)])
def test_weight_0_drains(weights: tuple[float, ...]) -> None:
    among = choice("first", "abc", weights=weights)
    assert {drawn(among, chance / 10)[0] for chance in range(10)} == {"abc"[weights.index(1)]}
    assert draw_regardless(choice("first", "a", weights=(0,)), Known(), lambda: 0.0) is None


def test_when_nobody_is_well_somebody_is_taken_all_the_same() -> None:
    one = draw_regardless(ABC, Known(dict.fromkeys("abc", COOLING)), lambda: 0.99)
    assert one is not None
    assert (one.attempt.credential.name, one.condition) == ("c", COOLING)


def conversations(count: int) -> Iterator[bytes]:
    random = Random(7)
    return (random.randbytes(32) for _ in range(count))


def test_conversations_spread_as_the_weights_say_and_stay() -> None:
    homes = {key: drawn(ABC, conversation=key) for key in conversations(20_000)}
    counts = Counter(home[0] for home in homes.values())
    assert all(home.split()[1] == Reason.AFFINITY for home in homes.values())
    for name, part in zip("abc", (0.5, 0.3, 0.2), strict=True):
        assert counts[name] / 20_000 == pytest.approx(part, abs=0.01)
    assert all(drawn(ABC, 0.7, conversation=key) == home for key, home in homes.items())


def test_a_home_that_cools_moves_its_own_conversations_and_no_others() -> None:
    for key in conversations(2_000):
        home = drawn(ABC, conversation=key)[0]
        moved = drawn(ABC, conversation=key, conditions={"b": COOLING})[0]
        assert moved == home or home == "b"
        assert moved != "b"


def test_a_deployment_more_takes_its_share_and_moves_nothing_else() -> None:
    wider = choice("first", "abcd", weights=(5, 3, 2, 2))
    moved = 0
    for key in conversations(6_000):
        before, after = drawn(ABC, conversation=key)[0], drawn(wider, conversation=key)[0]
        assert after in (before, "d")
        moved += after == "d"
    assert moved / 6_000 == pytest.approx(2 / 12, abs=0.02)


def test_a_group_that_wants_no_affinity_has_none() -> None:
    among = choice("first", "ab", affinity=Affinity.NEVER)
    assert {drawn(among, chance, conversation=b"k" * 32)[0] for chance in (0.0, 0.9)} == {"a", "b"}


@given(
    st.lists(st.floats(0, 10, allow_subnormal=False), min_size=1, max_size=8),  # or a share rounds to nothing
    st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(list(Condition))),
    st.sampled_from(list(Strategy)),
    st.floats(0, 0.999999),
    st.none() | st.binary(min_size=32, max_size=32),
)
def test_who_is_drawn_is_well_or_probed_and_has_weight(
    weights: list[float],
    conditions: dict[str, Condition],
    strategy: Strategy,
    chance: float,
    conversation: bytes | None,
) -> None:
    names = "abcdefgh"[: len(weights)]
    among = choice("first", names, weights=weights, strategy=strategy)
    view = Known(conditions)
    one = draw(among, view, lambda: chance, ties=Ties(conversation))
    left = [name for name, weight in zip(names, weights, strict=True) if weight > 0]
    usable = [name for name in left if conditions.get(name, WELL) is not COOLING]
    assert (one is None) == (not usable)
    if one is not None:
        assert one.attempt.credential.name in usable
        assert (one.condition is DUE) == (one.reason is Reason.PROBE)
        assert 0 < one.share <= 1
