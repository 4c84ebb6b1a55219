"""What proves a credential and costs nothing: one harmless GET, or a token where the credential buys one.

Law: a redirect is not followed: it would carry the secret to another host. As everywhere, the address that is connected
to is the one that was checked, and none where a cloud keeps its metadata.
"""

import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple, assert_never
from urllib.parse import urlsplit

from gantry.core.secret import Secret
from gantry.dial.origin import AddressRefused, check_address
from gantry.providers.google_tokens import (
    TOKEN_FORM_TYPE,
    ServiceAccountError,
    read_service_account,
    read_token,
    sign_assertion,
    token_form,
)
from gantry.providers.sigv4 import AwsCredential, SigningScope, UnsignedRequest, sign
from gantry.providers.spec import AuthScheme, ProviderSpec, fill_template

_TIMEOUT = 15.0
_HTTPS = "https"
_MOST = 64 * 1024  # bytes of an answer that are read
_REASON = "x-amzn-errortype"  # Amazon's: a refused signature and a missing permission are both 403


class Outside(NamedTuple):
    """What it takes to ask a provider: the environment, where keys may be, and the certificates to trust."""

    environ: Mapping[str, str]
    ca_bundle: Path | None


HERE = Outside({}, None)


class Verdict(NamedTuple):
    """Whether the credential works, or None where that cannot be asked for free, and what was said."""

    ok: bool | None
    text: str


def probe(base_url: str, spec: ProviderSpec, secrets: Mapping[str, Secret], ca_bundle: Path | None) -> Verdict:
    """Ask the provider whether a credential works."""
    if spec.auth.scheme is AuthScheme.GOOGLE:
        return _buy_token(secrets[spec.auth.field], ca_bundle)
    if not spec.probe:
        return Verdict(None, f"{spec.name} has no free request that proves a key: the first call will tell")
    return ask(request_to(base_url, spec.probe, spec, secrets), ca_bundle)[0]


def request_to(base_url: str, path: str, spec: ProviderSpec, secrets: Mapping[str, Secret]) -> urllib.request.Request:
    """Return the GET of a path with a credential, whose fields stand in their places."""
    values = {item.name: item.default for item in spec.fields if not item.secret} | spec.place_values(secrets)
    url = spec.fill_base_url(base_url, values) + fill_template(path, values)
    request = urllib.request.Request(url, headers={"accept": "application/json", **spec.headers})
    for name, value in _authority(url, spec, secrets):
        request.add_header(name, value)
    return request


def _authority(url: str, spec: ProviderSpec, secrets: Mapping[str, Secret]) -> list[tuple[str, str]]:
    """Return the headers that carry a credential, or prove it."""
    auth, secret = spec.auth, secrets[spec.auth.field].reveal()
    match auth.scheme:
        case AuthScheme.BEARER | AuthScheme.HEADER:
            return [(auth.name, auth.value(secret))] if secret else []
        case AuthScheme.SIGV4:
            if secret:
                return [("authorization", f"Bearer {secret}")]
            parts = urlsplit(url)
            session = secrets["aws_session_token"]
            credential = AwsCredential(
                secrets["aws_access_key_id"].reveal(),
                secrets["aws_secret_access_key"],
                session if session.reveal() else None,
            )
            scope = SigningScope(secrets[auth.region].reveal(), auth.service)
            return sign(UnsignedRequest("GET", parts.netloc, parts.path), scope, credential, time.time())
        case AuthScheme.GOOGLE:
            return []
    assert_never(auth.scheme)


def _buy_token(account_key: Secret, ca_bundle: Path | None) -> Verdict:
    """Buy a token, which proves the service account, though not yet what it may do."""
    try:
        account = read_service_account(account_key.reveal())
        form = token_form(sign_assertion(account, time.time()))
    except ServiceAccountError as error:
        return Verdict(False, str(error))
    request = urllib.request.Request(account.token_uri, data=form, headers={"content-type": TOKEN_FORM_TYPE})
    verdict, body = ask(request, ca_bundle)
    if not body:
        return verdict
    try:
        read_token(body, time.time())
    except ServiceAccountError as error:
        return Verdict(False, f"{verdict.text}: {error}")
    return Verdict(True, f"{account.token_uri} gave {account.client_email} a token")


def ask(request: urllib.request.Request, ca_bundle: Path | None, most: int = _MOST) -> tuple[Verdict, bytes]:
    """Return what became of a request, and at most so many bytes of the answer."""
    url = request.full_url
    context = ssl.create_default_context(cafile=None if ca_bundle is None else str(ca_bundle))
    opener = urllib.request.build_opener(_NoRedirect, _CheckedHTTP, _CheckedHTTPS(context=context))
    try:
        with _open(opener, request) as answer:
            reason = f" ({answer.headers[_REASON]})" if answer.headers.get(_REASON) else ""
            said = f"{url} answered {answer.status}"
            verdict = Verdict(True, said) if answer.status < 300 else Verdict(False, f"{said} {answer.reason}{reason}")
            return verdict, answer.read(most)
    except HTTPException as error:
        return Verdict(False, f"{url} gave an answer that is not HTTP, or only half of one: {error!r}"), b""
    except (OSError, ValueError) as error:
        return Verdict(False, f"{url} cannot be reached: {getattr(error, 'reason', error)}"), b""


def _open(opener: urllib.request.OpenerDirector, request: urllib.request.Request) -> Any:
    """Return the answer to a request, whatever its status."""
    try:
        return opener.open(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        return error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _connect_checked(address: tuple[str, int], timeout: float | None = None, *_: Any) -> socket.socket:
    """Return a connection to the first address of a host that may be connected to and answers. Raises OSError."""
    failure = OSError(f"{address[0]} has no address")
    for found in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
        target = found[4]
        try:
            check_address(str(target[0]), private=True)
            return socket.create_connection((str(target[0]), int(target[1])), timeout)
        except AddressRefused as error:
            failure = OSError(str(error))
        except OSError as error:
            failure = error
    raise failure


class _CheckedConnection(HTTPConnection):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._create_connection = _connect_checked


class _CheckedTLSConnection(HTTPSConnection):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._create_connection = _connect_checked


class _CheckedHTTP(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_CheckedConnection, req)


class _CheckedHTTPS(urllib.request.HTTPSHandler):
    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._trusted = context

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_CheckedTLSConnection, req, context=self._trusted)
