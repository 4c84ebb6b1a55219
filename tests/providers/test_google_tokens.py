"""A service account's key, its signed claim, and the answer to it; errors name the field and show nothing."""

import json
from base64 import urlsafe_b64decode
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gantry.providers.google_tokens import (
    ServiceAccountError,
    read_service_account,
    read_token,
    sign_assertion,
    token_form,
)

NOW = 1_795_000_000.7


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def credential(key: rsa.RSAPrivateKey, **changes: Any) -> str:
    fields = {
        "type": "service_account",
        "project_id": "my-project",
        "private_key_id": "kid-1",
        "private_key": pem(key),
        "client_email": "gantry@my-project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return json.dumps({name: value for name, value in (fields | changes).items() if value is not None})


def unpadded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_the_claim_is_signed_with_the_key(key: rsa.RSAPrivateKey) -> None:
    account = read_service_account(credential(key))
    assert (account.project_id, account.token_uri) == ("my-project", "https://oauth2.googleapis.com/token")
    assertion = sign_assertion(account, NOW)
    header, claims, signature = assertion.split(".")
    key.public_key().verify(unpadded(signature), f"{header}.{claims}".encode(), PKCS1v15(), SHA256())
    assert json.loads(unpadded(header)) == {"alg": "RS256", "typ": "JWT", "kid": "kid-1"}
    assert json.loads(unpadded(claims)) == {
        "iss": "gantry@my-project.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": 1_795_000_000,
        "exp": 1_795_003_600,
    }
    assert parse_qs(token_form(assertion).decode()) == {
        "grant_type": ["urn:ietf:params:oauth:grant-type:jwt-bearer"],
        "assertion": [assertion],
    }


def test_what_may_be_missing(key: rsa.RSAPrivateKey) -> None:
    account = read_service_account(credential(key, token_uri=None, project_id=None, private_key_id=None, type=None))
    assert (account.project_id, account.token_uri) == (None, "https://oauth2.googleapis.com/token")
    header = sign_assertion(account, NOW).split(".")[0]
    assert json.loads(unpadded(header)) == {"alg": "RS256", "typ": "JWT"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"client_email": None}, "client_email"),
        ({"client_email": ""}, "client_email"),
        ({"client_email": 5}, "client_email"),
        ({"private_key": None}, "private_key"),
        ({"private_key": "-----BEGIN CANARY-----"}, "private_key"),
        ({"private_key": 5}, "private_key"),
        ({"type": "authorized_user"}, "type"),
        ({"token_uri": "http://canary.example"}, "token_uri"),
    ],
)
def test_an_error_names_the_field_and_shows_no_value(
    key: rsa.RSAPrivateKey, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(ServiceAccountError, match=field) as caught:
        read_service_account(credential(key, **changes))
    shown = f"{caught.value!s} {caught.value.__cause__!r}"
    assert "PRIVATE" not in shown
    assert "CANARY" not in shown
    assert "canary" not in shown


def test_a_key_of_another_kind_is_refused(key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(ServiceAccountError, match="must be RSA of 2048 bits"):
        read_service_account(credential(key, private_key=pem(ec.generate_private_key(ec.SECP256R1()))))


@pytest.mark.parametrize("text", ["", "my-key", "[]", '{"client_email": "a'])
def test_what_is_no_key_at_all(text: str) -> None:
    with pytest.raises(ServiceAccountError, match="service account's key"):
        read_service_account(text)


def test_the_secret_is_in_no_repr(key: rsa.RSAPrivateKey) -> None:
    assert "PRIVATE" not in repr(read_service_account(credential(key)))


def test_the_answer_is_read() -> None:
    token = read_token(b'{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}', NOW)
    assert (token.token.reveal(), token.expires_at) == ("ya29.x", NOW + 3599)
    assert "ya29" not in repr(token)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error":"invalid_grant","error_description":"Invalid JWT Signature."}', "invalid_grant: Invalid JWT Sig"),
        (b'{"expires_in":3599}', "`access_token` is missing"),
        (b'{"access_token":"ya29.x"}', "`expires_in`"),
        (b'{"access_token":"ya29.x","expires_in":0}', "`expires_in`"),
        (b"<html>", "not the JSON"),
        (b'{"access_token":["ya29.x"]}', "not the JSON"),
    ],
)
def test_an_answer_without_a_token_is_said(body: bytes, words: str) -> None:
    with pytest.raises(ServiceAccountError, match=words) as caught:
        read_token(body, NOW)
    assert "ya29" not in str(caught.value)
