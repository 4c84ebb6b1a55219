"""A moderation as OpenAI's clients read it."""

import json

import pytest

from gantry.core.errors import UpstreamBroke
from gantry.dialects.mistral_moderation import to_openai_moderation


def test_a_result_says_whether_it_is_flagged() -> None:
    scores = {"categories": {"pii": True, "law": False}, "category_scores": {"pii": 0.9, "law": 0.1}}
    calm = {"categories": {"pii": False}, "category_scores": {"pii": 0.0}}
    body = json.dumps({"id": "1", "model": "mistral-moderation-2411", "results": [scores, calm]}).encode()
    adapted = json.loads(to_openai_moderation(200, body))
    assert (adapted["id"], adapted["model"]) == ("1", "mistral-moderation-2411")
    assert [result["flagged"] for result in adapted["results"]] == [True, False]
    assert adapted["results"][0]["category_scores"] == {"pii": 0.9, "law": 0.1}
    assert adapted["results"][0]["category_applied_input_types"] == {"pii": ["text"], "law": ["text"]}


def test_an_error_and_an_answer_that_is_none() -> None:
    refused = b'{"object":"error","message":"no","type":"invalid_request_error","code":"1500"}'
    assert json.loads(to_openai_moderation(400, refused))["error"]["message"] == "no"
    with pytest.raises(UpstreamBroke):
        to_openai_moderation(200, b"<html>")
