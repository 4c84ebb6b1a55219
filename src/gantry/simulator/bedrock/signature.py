"""Signature Version 4, checked: its form always, and the signature itself where the secret is known here.

Law: no clock. A date is compared with the scope's, not with today's.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
from urllib.parse import parse_qsl, quote

from gantry.simulator.bedrock.errors import error
from gantry.simulator.exchange import Answer, Request

ACCESS_KEY, SECRET_KEY = "AKIASIMULATOR", "simulator-secret"
_ALGORITHM = "AWS4-HMAC-SHA256"
_FIELD = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]+)")
_DATE = re.compile(r"\d{8}T\d{6}Z")
_REQUIRED = ("host", "x-amz-date")


def check_signature(request: Request) -> Answer | None:
    """Return an error if a request is not signed as it should be."""
    given = (request.header(b"authorization") or b"").decode("latin-1")
    if not given:
        return error(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    fields = dict(_FIELD.findall(given))
    missing = [name for name in ("Credential", "SignedHeaders", "Signature") if name not in fields]
    if not given.startswith(_ALGORITHM) or missing:
        text = " ".join(f"Authorization header requires '{name}' parameter." for name in missing)
        return error(403, "IncompleteSignatureException", text or "Unsupported AWS 'algorithm'.")
    key, *scope = fields["Credential"].split("/")
    date = (request.header(b"x-amz-date") or b"").decode("latin-1")
    if not _DATE.fullmatch(date):
        return error(403, "IncompleteSignatureException", "Authorization header requires existence of 'X-Amz-Date'.")
    if len(scope) != 4 or scope[0] != date[:8] or scope[2:] != ["bedrock", "aws4_request"] or not scope[1]:
        text = f"Credential should be scoped to a valid region and correct service: 'bedrock', got {'/'.join(scope)}."
        return error(403, "InvalidSignatureException", text)
    signed = fields["SignedHeaders"].split(";")
    absent = [name for name in _REQUIRED if name not in signed]
    absent += [name for name in signed if request.header(name.encode("latin-1")) is None]
    if absent or signed != sorted(signed):
        text = f"'{', '.join(absent) or fields['SignedHeaders']}' must be signed and present, in order."
        return error(403, "InvalidSignatureException", text)
    if key.startswith("AKIABAD"):
        return error(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
    if key == ACCESS_KEY and not hmac.compare_digest(_signature(request, scope, date, signed), fields["Signature"]):
        text = "The request signature we calculated does not match the signature you provided."
        return error(403, "InvalidSignatureException", f"{text} Check your AWS Secret Access Key and signing method.")
    return None


def _signature(request: Request, scope: list[str], date: str, signed: list[str]) -> str:
    key = f"AWS4{SECRET_KEY}".encode()
    for part in scope:
        key = hmac.digest(key, part.encode(), "sha256")
    hashed = hashlib.sha256(_canonical(request, signed)).hexdigest()
    text = "\n".join((_ALGORITHM, date, "/".join(scope), hashed))
    return hmac.digest(key, text.encode(), "sha256").hex()


def _canonical(request: Request, signed: list[str]) -> bytes:
    """Return what is signed of a request. Its path is escaped once more than it was sent."""
    query = request.target.partition(b"?")[2].decode("latin-1")
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parse_qsl(query, True))
    headers = "".join(f"{name}:{_header(request, name)}\n" for name in signed)
    payload = (request.header(b"x-amz-content-sha256") or b"").decode() or hashlib.sha256(request.body).hexdigest()
    lines = (
        request.method.decode("latin-1"),
        quote(request.path, safe="/-_.~"),
        "&".join(f"{name}={value}" for name, value in pairs),
        headers,
        ";".join(signed),
        payload,
    )
    return "\n".join(lines).encode("latin-1")


def _header(request: Request, name: str) -> str:
    values = [value.decode("latin-1") for key, value in request.headers if key == name.encode("latin-1")]
    return ",".join(" ".join(value.split()) for value in values)
