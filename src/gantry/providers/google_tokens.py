"""A Google service account: from its JSON key to an access token, as far as that is pure.

Law: no clock and no network here. The moment is an argument; whoever dials sends `token_form` to `token_uri` and hands
the answer's bytes to `read_token`. Errors name the field that is wrong and never show what is in it.
Spec: https://developers.google.com/identity/protocols/oauth2/service-account#httprest
"""

from base64 import urlsafe_b64encode
from importlib import import_module
from typing import Final
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from gantry.core.secret import Secret

CLOUD_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
DEFAULT_TOKEN_URI: Final = "https://oauth2.googleapis.com/token"
TOKEN_FORM_TYPE: Final = "application/x-www-form-urlencoded"
ASSERTION_SECONDS: Final = 3600  # Google's longest
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_RSA_KEY: Final = "gantry.providers.rsa_key"  # imported when an account is there


class ServiceAccountError(ValueError):
    """A service account's key, or the answer to it, is none; the message names the field."""


class ServiceAccount(Struct, frozen=True):
    client_email: str
    private_key: Secret  # PEM
    token_uri: str
    project_id: str | None
    private_key_id: str | None


class AccessToken(Struct, frozen=True):
    token: Secret
    expires_at: float  # seconds since the epoch


class _Key(Struct):
    type: str | None = None
    client_email: str | None = None
    private_key: str | None = None
    token_uri: str | None = None
    project_id: str | None = None
    private_key_id: str | None = None


class _Answer(Struct):
    access_token: str | None = None
    expires_in: float | None = None
    error: str | None = None
    error_description: str | None = None


_decode_key: Final = msgspec.json.Decoder(_Key).decode
_decode_answer: Final = msgspec.json.Decoder(_Answer).decode


def read_service_account(text: str | bytes) -> ServiceAccount:
    """Return the service account in a JSON key as Google's console hands it out. Raises ServiceAccountError."""
    try:
        found = _decode_key(text)
    except msgspec.ValidationError as error:
        raise ServiceAccountError(f"the service account's key: {error}") from None
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise ServiceAccountError("the service account's key is not JSON; give the whole file's content") from None
    if found.type not in (None, "service_account"):
        raise ServiceAccountError("`type` of the Google credential must be `service_account`")
    for name in ("client_email", "private_key"):
        if not getattr(found, name):
            raise ServiceAccountError(f"`{name}` is missing from the service account's key")
    uri = found.token_uri or DEFAULT_TOKEN_URI
    if not uri.startswith(("https://", "http://127.0.0.1:")):  # what a simulator's key names
        raise ServiceAccountError("`token_uri` of the service account's key must begin with https://")
    pem = Secret(found.private_key or "")
    _check(pem)
    return ServiceAccount(found.client_email or "", pem, uri, found.project_id, found.private_key_id)


def sign_assertion(account: ServiceAccount, now: float, scope: str = CLOUD_SCOPE) -> str:
    """Return the signed claim (a JWT, RS256) that is exchanged for a token; `now` in seconds since the epoch."""
    issued = int(now)
    header = {"alg": "RS256", "typ": "JWT"}
    if account.private_key_id:
        header["kid"] = account.private_key_id
    claims = {
        "iss": account.client_email,
        "scope": scope,
        "aud": account.token_uri,
        "iat": issued,
        "exp": issued + ASSERTION_SECONDS,
    }
    signed = b".".join(_base64(msgspec.json.encode(part)) for part in (header, claims))
    signature = import_module(_RSA_KEY).sign(account.private_key.reveal(), signed)
    return (signed + b"." + _base64(signature)).decode("ascii")


def token_form(assertion: str) -> bytes:
    """Return the body of the request for a token, a form (TOKEN_FORM_TYPE)."""
    return urlencode({"grant_type": _GRANT, "assertion": assertion}).encode("ascii")


def read_token(body: bytes, now: float) -> AccessToken:
    """Return the token in the answer that came at `now`. Raises ServiceAccountError with Google's own words."""
    try:
        found = _decode_answer(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise ServiceAccountError("the answer to the request for a token is not the JSON it should be") from None
    if found.error is not None:
        raise ServiceAccountError(f"Google refuses a token: {found.error}: {found.error_description or 'no reason'}")
    if not found.access_token:
        raise ServiceAccountError("`access_token` is missing from the answer to the request for a token")
    if found.expires_in is None or found.expires_in <= 0:
        raise ServiceAccountError("`expires_in` in the answer to the request for a token must be seconds above 0")
    return AccessToken(Secret(found.access_token), now + found.expires_in)


def _check(pem: Secret) -> None:
    rsa_key = import_module(_RSA_KEY)
    try:
        rsa_key.load_key(pem.reveal())
    except rsa_key.KeyRefused as error:
        raise ServiceAccountError(f"`private_key` of the service account's key {error}") from None


def _base64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
