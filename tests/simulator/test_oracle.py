"""What a simulated model says depends on the question alone."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from gantry.simulator.instance import instance
from gantry.simulator.mistral.bodies import CREATED_AT
from gantry.simulator.oracle import (
    CREATED,
    Ask,
    Tool,
    cached_tokens,
    compose,
    identifier,
    tokenize,
    vector,
)

WEATHER = Tool("get_weather", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
CRANE = Tool("move_crane", {"type": "object", "properties": {}})


def ask(**fields: object) -> Ask:
    return Ask(**{"question": "Where is the crane?", "prompt_tokens": 9, **fields})  # type: ignore[arg-type]


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Axle(BaseModel):
    load: Annotated[float, Field(gt=10, le=22.5)]
    wheels: Annotated[int, Field(ge=2, multiple_of=2)]


class Wagon(BaseModel):
    kind: Literal["wagon"]
    name: Annotated[str, Field(min_length=12, max_length=20)]
    colour: Colour
    axles: Annotated[list[Axle], Field(min_length=2, max_length=4)]
    built: datetime
    owner: str | None
    notes: dict[str, int]
    spare: Axle | None = None


@given(st.text())
def test_tokens_join_to_the_text(text: str) -> None:
    assert "".join(tokenize(text)) == text


def test_the_same_question_gets_the_same_answer() -> None:
    assert compose(ask()) == compose(ask())
    assert compose(ask()).text != compose(ask(question="And the wagons?")).text


@pytest.mark.parametrize("length", [1, 17, 500])
def test_an_answer_has_the_length_asked_for(length: int) -> None:
    assert compose(ask(length=length)).output_tokens == length


def test_a_limit_truncates_and_a_stop_sequence_ends() -> None:
    limited = compose(ask(max_tokens=3))
    assert (len(limited.tokens), limited.truncated) == (3, True)
    stopped = compose(ask(stop=("crane",)))
    assert (stopped.text, stopped.truncated) == ("You said: Where is the ", False)
    assert compose(ask(prefix="Well, ")).text.startswith("Well, You said")


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({}, []),
        ({"must_call": True}, ["get_weather"]),
        ({"question": "Use a tool"}, ["get_weather"]),
        ({"question": "move crane and get weather"}, ["get_weather", "move_crane"]),
        ({"question": "move crane and get weather", "parallel": False}, ["get_weather"]),
        ({"question": "move crane", "tool_result": "moved"}, []),
    ],
)
def test_tools_are_called_when_they_are_asked_for(fields: dict[str, object], names: list[str]) -> None:
    calls = compose(ask(tools=(WEATHER, CRANE), **fields)).calls
    assert [call.name for call in calls] == names
    assert len({call.id for call in calls}) == len(calls)


def test_a_call_that_the_question_writes_out_is_made_as_it_stands() -> None:
    (call,) = compose(
        ask(tools=(WEATHER, CRANE), question='First call move_crane with {"to": "quay 7"}, please.')
    ).calls
    assert (call.name, call.arguments) == ("move_crane", '{"to": "quay 7"}')
    assert not compose(ask(tools=(WEATHER,), question='Call sink_ship with {"at": "quay 7"}!')).calls


def test_an_instance_satisfies_its_schema() -> None:
    wagon = Wagon.model_validate(instance(Wagon.model_json_schema()))
    assert len(wagon.axles) == 2


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, "value"),
        (True, None),
        ({"const": 3}, 3),
        ({"enum": ["b", "a"]}, "b"),
        ({"type": ["null", "integer"]}, 1),
        ({"anyOf": [{"type": "null"}, {"type": "boolean"}]}, True),
        ({"allOf": [{"properties": {"a": {"type": "integer"}}}, {"required": ["b"]}]}, {"b": "b", "a": 1}),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"type": "number", "exclusiveMaximum": -4}, -5.0),
        ({"type": "null"}, None),
    ],
)
def test_an_instance_of_a_small_schema(schema: object, value: object) -> None:
    assert instance(schema) == value


def test_a_schema_that_contains_itself_ends() -> None:
    schema = {"type": "object", "properties": {"child": {"$ref": "#"}}, "required": ["child"]}
    assert str(instance(schema)).count("child") < 20


def test_identifiers_are_letters_and_digits() -> None:
    assert identifier("a", "b").isalnum()
    assert len(identifier("a", length=29)) == 29
    assert identifier("ab", "c") != identifier("a", "bc")


@pytest.mark.parametrize(("prompt", "cached"), [(0, 0), (128, 0), (129, 128), (200, 192), (257, 256)])
def test_cached_tokens_come_in_steps(prompt: int, cached: int) -> None:
    assert cached_tokens(prompt) == cached


def test_vectors_have_unit_length() -> None:
    numbers = vector("crane", 1024)
    assert abs(sum(number * number for number in numbers) - 1) < 0.01
    assert numbers == vector("crane", 1024) != vector("wagon", 1024)


def test_everything_was_made_at_the_same_time() -> None:
    assert datetime.fromisoformat(CREATED_AT).timestamp() == CREATED
