"""A hundred thousand calls in virtual time: weights are met while deployments die and return, and no caller notices.

Counts only: the clock is the simulation's, the itinerary and the health board are those of the workers, two of them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import pytest

from bench.balancing import cached_share, moved, play_conversations, talk
from bench.virtual import Provider, Ride, World, arrivals, deployment, failing_between, reached, shares, well
from gantry.core.routing_rules import Affinity
from gantry.routing.plan import Choice, Plan

WEIGHTS = {"a": 5.0, "b": 3.0, "c": 1.0}
DEPLOYMENTS = {name: deployment(name, weight) for name, weight in WEIGHTS.items()}
PLAN = Plan((Choice("model", tuple(DEPLOYMENTS.values()), affinity=Affinity.NEVER),))
RATE = 100.0  # calls a second
_POINT = 1.0  # of a per cent


def play(
    folder: Path, calls: int, providers: Mapping[str, Provider], rate: float = RATE
) -> tuple[World, Sequence[Ride]]:
    world = World(folder, {name: providers.get(name, well()) for name in WEIGHTS}, workers=2)
    return world, world.run(PLAN, arrivals(calls, rate, Random(7)))


def wanted(*names: str) -> Mapping[str, float]:
    total = sum(WEIGHTS[name] for name in names)
    return {name: 100 * WEIGHTS[name] / total for name in names}


@pytest.mark.parametrize("dead", ["a", "b", "c"])
def test_weights_are_met_while_a_credential_dies_and_returns(tmp_path: Path, dead: str) -> None:
    died, cured = 300.0, 460.0
    _, rides = play(tmp_path, 100_000, {dead: failing_between(died, cured, 401)})
    tried = reached(rides, dead)
    failures = [one for one in tried if one.status == 401]
    back = next(one for one in tried if one.at >= cured)
    others = [name for name in WEIGHTS if name != dead]
    for start, end, names in (
        (0.0, died, WEIGHTS),
        (failures[0].ended + 0.5, back.at, others),
        (back.ended, rides[-1].at, WEIGHTS),
    ):
        assert shares(rides, start, end) == pytest.approx(wanted(*names), abs=_POINT), (start, end)
    assert all(ride.served for ride in rides), "no caller hears of it"
    pauses = [later.at - one.ended for one, later in zip(failures, [*failures[1:], back], strict=True)]
    probes = [pause for pause in pauses if pause > 1]
    assert probes == pytest.approx([60.0, 120.0], abs=1.5), "each twice as long as the one before"
    assert back.at - cured < probes[-1], "it is back within one interval between probes"


@pytest.mark.parametrize("dead", ["a", "b", "c"])
def test_traffic_to_one_that_fails_stops_within_twenty_of_its_calls(tmp_path: Path, dead: str) -> None:
    died, cured = 100.0, 200.0
    world, rides = play(tmp_path, 40_000, {dead: failing_between(died, cured, 500)})
    tried = reached(rides, dead)
    failures = [one for one in tried if died <= one.at < cured]
    burst = [one for one in failures if one.at < failures[0].at + 5]
    assert 4 <= len(burst) <= 20
    assert len(failures) - len(burst) <= 6, "from then on, one probe at a time"
    assert all(ride.served for ride in rides)
    back = next(one for one in tried if one.at >= cured)
    assert back.status == 200
    assert back.at - cured < 60 + 1, "the longest interval between probes"
    assert shares(rides, back.ended, rides[-1].at) == pytest.approx(wanted(*WEIGHTS), abs=_POINT)
    assert world.until(DEPLOYMENTS[dead]) < 0, "nothing is left of it"


def test_when_all_are_limited_none_is_left_alone_for_longer_than_the_limit(tmp_path: Path) -> None:
    """Calls are sent regardless while all are cooling; what they hear does not make the cooldowns longer."""
    cured = 103.0
    limited = failing_between(100.0, cured, 429)
    _, rides = play(tmp_path, 1_000, dict.fromkeys(WEIGHTS, limited), rate=5.0)
    for name in WEIGHTS:
        assert next(one for one in reached(rides, name) if one.at >= cured).at < cured + 8, name
    assert all(ride.served for ride in rides if ride.at >= cured)


def test_nothing_is_left_under_way(tmp_path: Path) -> None:
    world, _ = play(tmp_path, 5_000, {"b": failing_between(10.0, 30.0, 500)})
    assert [worker.under_way for worker in world.workers] == [0, 0]


def test_conversations_stay_where_their_prompt_is_cached_and_share_out_as_weights_say(tmp_path: Path) -> None:
    """Four thousand of them, of eight turns; then again, with the heaviest deployment down for half an hour."""
    turns = talk(Random(11))
    never = play_conversations(tmp_path, turns, Affinity.NEVER, None)
    auto = play_conversations(tmp_path, turns, Affinity.AUTO, None)
    end = auto[-1].at + 1
    assert cached_share(auto, 0, end) > cached_share(never, 0, end) + 15
    assert (moved(auto), moved(never) > 50) == (0, True)
    assert shares(auto, 0, end) == pytest.approx(wanted(*WEIGHTS), abs=2)

    down = (3_600.0, 5_400.0)
    played = play_conversations(tmp_path, turns, Affinity.AUTO, down)
    assert all(ride.served for ride in played)
    assert moved(played) < 1, "those at home in it, there and back"
    assert cached_share(played, *down) > cached_share(auto, *down) - 3
    before = {ride.conversation: ride.served for ride in auto}
    unmoved = [ride for ride in played if before[ride.conversation] != "a"]
    assert all(ride.served == before[ride.conversation] for ride in unmoved), "nobody moves whose home is well"
    back = next(one.at for one in reached(played, "a") if one.at >= down[1])
    assert back - down[1] < 61
    home = [ride for ride in played if before[ride.conversation] == "a" and ride.at > back + 1]
    assert all(ride.served == "a" for ride in home), "and back they are"
