"""Signatures as Amazon's published test suite has them, and as botocore 1.44.8 makes them for requests like ours."""

from hashlib import sha256

import pytest

from gantry.core.secret import Secret
from gantry.providers.sigv4 import (
    AwsCredential,
    SigningScope,
    UnsignedRequest,
    encode_query,
    sign,
)
from gantry.providers.spec import fill_template

AT = 1440938160.0  # 2015-08-30T12:36:00Z, the suite's moment
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SUITE = SigningScope("us-east-1", "service")
HOST = "example.amazonaws.com"
BEDROCK_HOST = "bedrock-runtime.us-east-1.amazonaws.com"
JSON = (("content-type", "application/json"),)


def signature(request: UnsignedRequest, scope: SigningScope = SUITE, token: str | None = None) -> str:
    credential = AwsCredential("AKIDEXAMPLE", Secret(SECRET), Secret(token) if token else None)
    name, value = sign(request, scope, credential, AT)[-1]
    assert name == "authorization"
    return value.partition("Signature=")[2]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        # get-vanilla
        (UnsignedRequest("GET", HOST, "/"), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        # get-vanilla-query-order-key-case
        (
            UnsignedRequest("GET", HOST, "/", (("Param2", "value2"), ("Param1", "value1"))),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        # post-vanilla
        (UnsignedRequest("POST", HOST, "/"), "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        # get-slash-dot-slash, get-relative: normalised to the path of get-vanilla
        (UnsignedRequest("GET", HOST, "/./"), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (
            UnsignedRequest("GET", HOST, "/example/.."),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (UnsignedRequest("GET", HOST, "//"), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ],
)
def test_the_published_suite(request_: UnsignedRequest, expected: str) -> None:
    assert signature(request_) == expected


def test_spaces_accents_and_headers_are_signed_as_botocore_signs_them() -> None:
    query = (("q", "a b&c=é~"), ("q", "A"), ("e", ""))
    request = UnsignedRequest("GET", HOST, "/a%20b/%C3%A9", query, (("X-Two", "  a   b "),))
    expected = "b396170fd3afed95976a4472e80c1fa02e22aafc8b511601499ea70442e28c0d"
    assert signature(request, token="t") == expected


def test_a_model_id_with_a_colon_is_signed_as_botocore_signs_it() -> None:
    path = fill_template("/model/{model}/converse", {"model": "anthropic.claude-3-haiku-20240307-v1:0"})
    assert path == "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse"
    body = sha256(b'{"messages":[]}').hexdigest()
    request = UnsignedRequest("POST", BEDROCK_HOST, path, (), JSON, body)
    expected = "dba7f2f77cc33808be655f27b8ebf1d1b1d77751fc96dad0bd71e020cb07c442"
    assert signature(request, SigningScope("us-east-1", "bedrock")) == expected


def test_an_arn_as_model_and_a_session_token_are_signed_as_botocore_signs_them() -> None:
    arn = "arn:aws:bedrock:eu-west-3:123456789012:application-inference-profile/abc123"
    path = fill_template("/model/{model}/converse-stream", {"model": arn})
    request = UnsignedRequest(
        "POST", "bedrock-runtime.eu-west-3.amazonaws.com", path, (), JSON, sha256(b"{}").hexdigest()
    )
    expected = "0287e7d79d3c6b03a580e6dc65df5276cf8ed8fd39d7170622c28e935d65ecb0"
    assert signature(request, SigningScope("eu-west-3", "bedrock"), "TOKEN/with+signs==") == expected


def test_the_header_lines_to_send() -> None:
    credential = AwsCredential("AKIDEXAMPLE", Secret(SECRET), Secret("token"))
    request = UnsignedRequest("POST", BEDROCK_HOST, "/model/m/converse", (), JSON)
    lines = sign(request, SigningScope("us-east-1", "bedrock"), credential, AT + 0.9)
    assert [name for name, _ in lines] == ["x-amz-date", "x-amz-security-token", "authorization"]
    assert lines[0][1] == "20150830T123600Z"
    assert lines[1][1] == "token"
    assert lines[2][1].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature="
    )
    assert SECRET not in str(lines)
    assert SECRET not in repr(credential)


def test_a_query_is_encoded_and_sorted_as_it_is_signed() -> None:
    assert encode_query((("b", "2 /"), ("a", "~"), ("a", ""))) == "a=&a=~&b=2%20%2F"
