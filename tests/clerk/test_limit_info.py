"""What a log says of its limits, from the numbers that the close frame has of them."""

import json

import msgspec
import pytest
from msgspec import Raw

from gantry.clerk.limit_info import limit_info
from gantry.core.limits import Asked
from gantry.journal.frames import LimitNote

USD = 1_000_000_000


@pytest.mark.parametrize(
    ("asked", "current", "amount", "refusing", "told"),
    [
        (Asked("budget", "cost", 2 * USD), USD, USD // 2, None, (1.0, 1.5, 2.0, True)),
        (Asked("budget", "cost", 2 * USD), 2 * USD, 1, 0, (2.0, 2.000000001, 2.0, False)),
        (Asked("soft", "requests", 5), 5, 1, None, (5, 6, 5, False)),  # it only warns
        (Asked("used up", "cost", USD), 3 * USD, 0, None, (3.0, 3.0, 1.0, True)),  # a call that costs nothing passes
        (Asked("org_credits", "cost", 8 * USD, 2 * USD), 3 * USD, USD, None, (7.0, 6.0, 2.0, True)),
    ],
)
def test_each_limit_is_told_with_and_without_the_call(
    asked: Asked, current: int, amount: int, refusing: int | None, told: tuple[float, ...]
) -> None:
    note = LimitNote(refusing is None, Raw(msgspec.msgpack.encode([asked])), [current], [amount], refusing)
    info = json.loads(limit_info(note, b"") or "")
    names = ("current_value", "new_value", "limit_value", "is_within_limit")
    expected = {"name": asked.name, **dict(zip(names, told, strict=True))}
    assert info == {"is_allowed": refusing is None, "limits": [expected]}


def test_what_a_worker_before_that_wrote_is_taken_as_it_is_and_nothing_is_told_of_nothing() -> None:
    assert limit_info(None, b'{"is_allowed":true}') == '{"is_allowed":true}'
    assert limit_info(None, b"") is None
