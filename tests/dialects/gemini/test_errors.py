"""Google's errors, read and written."""

import json

import pytest

from gantry.core.chat import ProviderError
from gantry.core.errors import InvalidRequest
from gantry.dialects.gemini.codec import GEMINI
from gantry.dialects.gemini.token_count import decode_count_request, encode_count

FULL = {
    "code": 400,
    "message": "API key not valid.",
    "status": "INVALID_ARGUMENT",
    "details": [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"},
        {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "contents"}]},
    ],
}
READ: list[tuple[bytes, ProviderError]] = [
    (
        json.dumps({"error": FULL}).encode(),
        ProviderError(400, "API key not valid.", "INVALID_ARGUMENT", "API_KEY_INVALID", "contents"),
    ),
    (
        json.dumps([{"error": FULL}]).encode(),
        ProviderError(400, "API key not valid.", "INVALID_ARGUMENT", "API_KEY_INVALID", "contents"),
    ),
    (b'{"error": "no"}', ProviderError(400, "no")),
    (b'{"message": "no"}', ProviderError(400, "no")),
    (b'{"error": {"message": "no", "details": 5}}', ProviderError(400, "no")),
    (b"<html>gone</html>", ProviderError(400, "<html>gone</html>")),
    (b"[]", ProviderError(400, "the provider refused and did not say why")),
    (b"", ProviderError(400, "the provider refused and did not say why")),
]


@pytest.mark.parametrize(("body", "wanted"), READ)
def test_an_error_is_read(body: bytes, wanted: ProviderError) -> None:
    assert GEMINI.decode_error(400, body) == wanted


def test_an_error_is_written() -> None:
    assert json.loads(GEMINI.encode_error(ProviderError(429, "slow down", "rate_limit_error", "x"))) == {
        "error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}
    }
    own = ProviderError(400, "no", "FAILED_PRECONDITION")
    assert json.loads(GEMINI.encode_error(own))["error"]["status"] == "FAILED_PRECONDITION"


def test_tokens_are_counted_of_contents_or_of_a_whole_request() -> None:
    contents = [{"parts": [{"text": "hi"}]}]
    alone = decode_count_request(json.dumps({"contents": contents}).encode())
    for name in ("generateContentRequest", "generate_content_request"):
        whole = {name: {"model": "models/m", "contents": contents}}
        assert decode_count_request(json.dumps(whole).encode()) == alone
    assert encode_count(7) == b'{"totalTokens":7}'
    with pytest.raises(InvalidRequest):
        decode_count_request(b"[]")
