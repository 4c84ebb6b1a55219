"""One model card for every SDK."""

import json

import pytest

from gantry.core.errors import UpstreamBroke
from gantry.dialects.models import models_superset

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
