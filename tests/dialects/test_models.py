"""One model card for every SDK."""

import json

import pytest

from gantry.core.errors import UpstreamBroke
from gantry.dialects.models import MergedModels, ProviderModels, find_model, merge_models, models_superset

REQUIRED = {
    "id",
    "object",
    "created",
    "owned_by",
    "type",
    "capabilities",
    "name",
    "description",
    "max_context_length",
    "aliases",
}


@pytest.mark.parametrize(
    "body",
    [
        b'{"object":"list","data":[{"id":"a","object":"model","created":1,"owned_by":"openai"}]}',
        b'{"data":[{"id":"a","type":"base","capabilities":{"completion_chat":false},"aliases":null,"description":null}]}',
        b'[{"id":"a"}]',
    ],
)
def test_every_card_has_what_every_sdk_needs(body: bytes) -> None:
    listed = json.loads(models_superset(body))
    (card,) = listed["data"]
    assert listed["object"] == "list"
    assert card.keys() >= REQUIRED
    assert None not in card.values()
    assert (card["id"], card["name"]) == ("a", "a")


def test_what_the_provider_said_is_kept() -> None:
    said = b'"capabilities":{"vision":true},"default_model_temperature":0.70,"max_context_length":7'
    body = b'{"data":[{"id":"a",' + said + b'}],"x":1.00}'
    superset = models_superset(body)
    card = json.loads(superset)["data"][0]
    assert (card["capabilities"], card["max_context_length"]) == ({"vision": True}, 7)
    assert b'"x":1.00' in superset
    assert b'"default_model_temperature":0.70' in superset


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"data":7}', b"{}", b'{"data":[{}]}'])
def test_what_is_no_list_broke(body: bytes) -> None:
    with pytest.raises(UpstreamBroke):
        models_superset(body)


MISTRAL = b'{"object":"list","data":[{"id":"small-latest","aliases":["small-2603"],"max_context_length":7}]}'
OTHER = b'[{"id":"vendor/big","object":"model","type":"chat","created":1.5,"capabilities":["vision"],"x":1.00}]'


def merged() -> MergedModels:
    return merge_models(
        [
            ProviderModels("mistral", MISTRAL, bare=True),
            ProviderModels("together", OTHER),
            ProviderModels("mistral", MISTRAL.replace(b"7", b"9"), bare=True),
            ProviderModels("broken", b"<html>"),
        ],
        lambda prefix, model: (0.5, 1.5) if prefix == "mistral" else None,
    )


def test_models_are_listed_once_by_every_name_users_write() -> None:
    listed = json.loads(merged().body)
    assert [card["id"] for card in listed["data"]] == ["small-latest", "mistral/small-latest", "together/vendor/big"]
    assert [card["max_context_length"] for card in listed["data"][:2]] == [7, 7]
    assert merged().unread == ("broken",)


def test_a_card_that_would_break_an_sdk_is_set_right() -> None:
    card = json.loads(merged().body)["data"][2]
    assert card.keys() >= REQUIRED
    assert (card["type"], card["created"], card["owned_by"]) == ("base", 0, "together")
    assert card["capabilities"]["completion_chat"] is True
    assert b'"x":1.00' in merged().body


def test_the_same_answer_is_respans_list() -> None:
    models = json.loads(merged().body)["models"]
    assert [model["model_name"] for model in models] == ["small-latest", "mistral/small-latest", "together/vendor/big"]
    assert [model["input_cost"] for model in models] == [0.5, 0.5, None]
    assert models[0]["max_context_window"] == 7
    assert models[0]["provider"]["provider_id"] == "mistral"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("small-latest", "small-latest"),
        ("mistral/small-latest", "mistral/small-latest"),
        ("small-2603", "small-latest"),
        ("together/vendor/big", "together/vendor/big"),
        ("vendor/big", None),
    ],
)
def test_a_model_is_found_by_its_names(name: str, found: str | None) -> None:
    card = find_model(merged().body, name)
    assert (json.loads(card)["id"] if card is not None else None) == found
