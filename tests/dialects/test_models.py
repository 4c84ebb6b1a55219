"""One model card for every SDK."""

import json
from typing import Any

import pytest

from gantry.core.errors import UpstreamBroke
from gantry.dialects.models import ModelCard, Owner, encode_model, encode_models, plain_card, read_cards

OWNER = Owner("acme", "Acme", ("api_key",))
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


def read_one(card: bytes) -> ModelCard:
    (only,) = read_cards(b'{"data":[%b]}' % card, OWNER)
    return only


def written(card: ModelCard) -> Any:
    return json.loads(encode_model("n", card))


@pytest.mark.parametrize(
    "body",
    [
        b'{"object":"list","data":[{"id":"a","object":"model","created":1,"owned_by":"openai"}]}',
        b'{"data":[{"id":"a","type":"base","capabilities":{"completion_chat":false},"aliases":null,"deprecation":null}]}',
        b'[{"id":"a"}]',
    ],
)
def test_every_card_has_what_every_sdk_needs(body: bytes) -> None:
    (read,) = read_cards(body, OWNER)
    card = written(read)
    assert read.model == "a"
    assert card.keys() >= REQUIRED
    assert None not in card.values()
    assert (card["id"], card["name"], card["type"]) == ("n", "a", "base")


def test_what_the_provider_said_is_kept() -> None:
    said = b'"capabilities":{"vision":true},"default_model_temperature":0.70,"max_context_length":7,"created":1e1'
    card = read_one(b'{"id":"a",%b,"owned_by":"them","name":"A"}' % said)
    assert written(card)["capabilities"] == {"vision": True}
    assert (written(card)["owned_by"], written(card)["name"], written(card)["max_context_length"]) == ("them", "A", 7)
    assert b'"default_model_temperature":0.70' in card.members


@pytest.mark.parametrize(
    ("said", "name", "expected"),
    [
        (b'"type":"chat"', "type", "base"),
        (b'"type":"fine-tuned"', "type", "base"),
        (b'"type":"fine-tuned","job":null,"root":"r"', "type", "base"),
        (b'"type":"fine-tuned","job":"j","root":"r"', "type", "fine-tuned"),
        (b'"created":1.5', "created", 0),
        (b'"created":"yesterday"', "created", 0),
        (b'"owned_by":null', "owned_by", "acme"),
        (b'"aliases":"x"', "aliases", []),
        (b'"aliases":["x"]', "aliases", ["x"]),
        (b'"object":7', "object", "model"),
        (b'"description":7', "description", ""),
        (b'"x":1', "max_context_length", 32768),
        (b'"context_length":9,"max_context_length":7', "max_context_length", 7),
        (b'"context_length":9', "max_context_length", 9),
        (b'"context_window":"9","max_model_len":8', "max_context_length", 8),
    ],
)
def test_what_would_break_an_sdk_is_set_right(said: bytes, name: str, expected: Any) -> None:
    assert written(read_one(b'{"id":"a",%b}' % said))[name] == expected


def test_strange_capabilities_are_those_of_a_chat_model() -> None:
    card = written(read_one(b'{"id":"a","capabilities":["vision"]}'))
    assert card["capabilities"]["completion_chat"] is True


@pytest.mark.parametrize(
    ("card", "fine_tuned"),
    [
        (b'{"id":"a"}', False),
        (b'{"id":"ft:gpt-4o-mini:o::1"}', True),
        (b'{"id":"a","type":"fine-tuned"}', True),
    ],
)
def test_models_that_an_account_made_are_known(card: bytes, fine_tuned: bool) -> None:
    assert read_one(card).fine_tuned is fine_tuned


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"data":7}', b"{}", b'{"data":[{}]}', b"[" * 5000, b'[{"id":1}]'])
def test_what_is_no_list_broke(body: bytes) -> None:
    with pytest.raises(UpstreamBroke, match="of Acme could not be read"):
        read_cards(body, OWNER)


def test_a_list_is_bounded() -> None:
    with pytest.raises(UpstreamBroke, match="more than"):
        read_cards(b"[%b]" % b",".join([b'{"id":"a"}'] * 5001), OWNER)


def test_a_list_has_cards_under_their_names() -> None:
    card = read_one(b'{"id":"a\\"b","aliases":["c"],"max_context_length":7,"capabilities":{"vision":true}}')
    assert (card.model, card.aliases) == ('a"b', ("c",))
    listed = json.loads(encode_models([('a"b', card), ('acme/a"b', card)], respan=True))
    assert listed["object"] == "list"
    assert [each["id"] for each in listed["data"]] == ['a"b', 'acme/a"b']
    assert [each["model_name"] for each in listed["models"]] == ['a"b', 'acme/a"b']
    respan = listed["models"][0]
    assert (respan["max_context_window"], respan["image_support"], respan["function_call"]) == (7, 1, 0)
    assert (respan["input_cost"], respan["completion_cost"]) == (None, None)
    assert respan["provider"] == {
        "id": "acme",
        "provider_name": "Acme",
        "provider_id": "acme",
        "moderation": "",
        "credential_fields": ["api_key"],
    }


def test_an_empty_list_is_one() -> None:
    assert encode_models([], respan=False) == b'{"object":"list","data":[]}'
    assert encode_models([], respan=True) == b'{"object":"list","data":[],"models":[]}'


def test_a_name_alone_makes_a_card() -> None:
    card = written(plain_card("a", OWNER))
    assert card.keys() == REQUIRED
    assert (card["name"], card["owned_by"], card["max_context_length"]) == ("a", "acme", 32768)


def test_geminis_list_is_read_as_others_are() -> None:
    listed = (
        b'{"models":[{"name":"models/gemini-2.5-pro","displayName":"Pro","inputTokenLimit":7},{"name":"models/x"}]}'
    )
    pro, plain = read_cards(listed, OWNER)
    assert (pro.model, plain.model) == ("gemini-2.5-pro", "x")
    assert (written(pro)["name"], written(pro)["max_context_length"], written(plain)["name"]) == ("Pro", 7, "x")
