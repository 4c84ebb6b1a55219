"""The OAuth token endpoint for service accounts: a signed assertion in, an access token out.

Law: no clock and no memory. A token is a seal; an assertion's form is checked, its signature cannot be, as
nobody told the simulator the public key. Source: https://datatracker.ietf.org/doc/html/rfc7523
"""

import base64
from typing import Any

import msgspec

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.forms import read_form
from gantry.simulator.routes import Call, Refusal, Table
from gantry.simulator.seal import decoded, is_sealed, sealed

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFETIME = 3600
_PREFIX = "ya29.sim-"


def is_token(token: str) -> bool:
    return token.startswith(_PREFIX) and is_sealed(decoded(token.removeprefix(_PREFIX)))


def _grant(call: Call) -> Answer:
    form = read_form(call.request)
    if form.get("grant_type") != _GRANT:
        raise _refused("unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type')}")
    assertion = form.get("assertion")
    _check(assertion)
    token = _PREFIX + base64.urlsafe_b64encode(sealed(assertion)).decode().rstrip("=")
    return json_answer({"access_token": token, "expires_in": _LIFETIME - 1, "token_type": "Bearer"})


def _check(assertion: str) -> None:
    parts = assertion.split(".")
    if len(parts) != 3 or not parts[2]:
        raise _refused("invalid_grant", "Bad Request")
    header, claims = _decoded(parts[0]), _decoded(parts[1])
    if header.get("alg") != "RS256":
        raise _refused("invalid_grant", "Invalid JWT Signature.")
    for name in ("iss", "aud", "iat", "exp"):
        if name not in claims:
            raise _refused("invalid_grant", f"Invalid JWT: {name} is missing.")
    if not claims.get("scope") and not claims.get("target_audience"):
        raise _refused("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
    if not str(claims["aud"]).endswith("/token"):
        raise _refused("invalid_grant", "Invalid JWT: Failed audience check.")
    if not 0 < claims["exp"] - claims["iat"] <= _LIFETIME:
        text = "Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
        raise _refused("invalid_grant", f"Invalid JWT: {text} Check your iat and exp values in the JWT claim.")


def _decoded(part: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), type=dict[str, Any])
    except (ValueError, msgspec.MsgspecError):
        raise _refused("invalid_grant", "Invalid JWT: Failed to parse.") from None


def _refused(kind: str, description: str) -> Refusal:
    return Refusal(json_answer({"error": kind, "error_description": description}, 400))


TABLE: Table = (("POST", "/token", _grant),)
