"""A body that names its model again names the one that is asked."""

import json
from typing import Any

import pytest

from gantry.dialects.gemini.named_model import name_model

PARTS = {"parts": [{"text": "hi"}]}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"requests": [{"model": "models/gemini/e", "content": PARTS}, {"content": PARTS}]},
            {"requests": [{"model": "models/e", "content": PARTS}, {"content": PARTS}]},
        ),
        ({"model": "gemini/e", "content": PARTS}, {"model": "models/e", "content": PARTS}),
        (
            {"generateContentRequest": {"model": "gemini/e", "contents": [PARTS]}},
            {"generateContentRequest": {"model": "models/e", "contents": [PARTS]}},
        ),
    ],
)
def test_it_is_named_everywhere(given: Any, expected: Any) -> None:
    assert json.loads(name_model(json.dumps(given).encode(), "e")) == expected


@pytest.mark.parametrize(
    "body", [b'{"content": {"parts": []}}', b'{"requests": "model", "model"', b'{"requests": ["model"]}', b"[]"]
)
def test_other_bodies_keep_their_bytes(body: bytes) -> None:
    assert name_model(body, "e") == body
