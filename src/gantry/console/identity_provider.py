"""An identity provider, spoken to: where it is signed in there, what a code is exchanged for, whose word it gives.

Law: authorization code with PKCE (RFC 7636), and all we ask goes through the one dialler. The operator named the
issuer; what the issuer names itself must speak TLS as it does, and may lie at a private address only on the issuer's
own host. Its keys are asked for anew when a token is signed by one that is not known, once a minute at most.
"""

import hashlib
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from gantry.core.id_token import Claims, KeyUnknown, PublicKey, verify
from gantry.core.role import Role
from gantry.core.secret import Secret
from gantry.core.sign_in_tokens import text_of
from gantry.dial.ask import AskFailed, ask
from gantry.dial.pool import Dialler
from gantry.dial.webhook_url import WebhookURL, parse_webhook_url
from gantry.settings import DeclaredIdentityProvider, SettingsError

_SECONDS: Final = 10.0
_MOST: Final = 512 * 1024
_KEPT_FOR: Final = 3600.0
_ASKED_AGAIN_AFTER: Final = 60.0
_DISCOVERY: Final = "/.well-known/openid-configuration"


class ProviderFailed(Exception):
    """The provider did not answer as it must; the message says how."""


class IdentityProviderSettings(Struct, frozen=True, kw_only=True):
    """An `[oidc.NAME]` table of gantry.toml, with the secret it means."""

    id: str
    name: str
    issuer: str
    client_id: str
    client_secret: Secret | None
    scopes: tuple[str, ...]
    default_role: Role
    allowed_domains: tuple[str, ...]


def read_provider(name: str, table: DeclaredIdentityProvider, environ: Mapping[str, str]) -> IdentityProviderSettings:
    """Return what a table of gantry.toml means. Raises SettingsError."""
    secret = table.client_secret
    if table.client_secret_env is not None:
        if not environ.get(table.client_secret_env):
            raise SettingsError(f"oidc.{name}.client_secret_env: the environment has no {table.client_secret_env}")
        secret = Secret(environ[table.client_secret_env])
    return IdentityProviderSettings(
        id=name,
        name=table.name or name,
        issuer=table.issuer,
        client_id=table.client_id,
        client_secret=secret,
        scopes=table.scopes,
        default_role=table.default_role,
        allowed_domains=tuple(one.strip().lower().lstrip("@") for one in table.allowed_domains),
    )


class _Document(Struct, frozen=True):
    """What we read of a provider's description of itself."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _KeySet(Struct, frozen=True):
    keys: list[dict[str, Any]]


class _TokenAnswer(Struct, frozen=True):
    id_token: str


class IdentityProvider:
    """One provider. `clock` is in seconds since the epoch."""

    def __init__(self, settings: IdentityProviderSettings, dialler: Callable[[], Dialler], clock: Callable[[], float]):
        self.settings: Final = settings
        self._dialler: Final = dialler
        self._clock: Final = clock
        self._document: _Document | None = None
        self._keys: Sequence[PublicKey] = ()
        self._read_at = 0.0
        self._keys_at = 0.0

    async def authorization_url(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Return where somebody signs in. Raises ProviderFailed."""
        document = await self._described()
        challenge = text_of(hashlib.sha256(verifier.encode()).digest())
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self.settings.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        mark = "&" if "?" in document.authorization_endpoint else "?"
        return f"{document.authorization_endpoint}{mark}{urlencode(query)}"

    async def claims_of(self, code: str, redirect_uri: str, nonce: str, verifier: str) -> Claims:
        """Return what the provider says of whoever came back with a code. Raises ProviderFailed and TokenRefused."""
        token = await self._exchange(code, redirect_uri, verifier)
        try:
            return self._verify(token, nonce)
        except KeyUnknown:
            if self._clock() - self._keys_at < _ASKED_AGAIN_AFTER:
                raise
        await self._read_keys(await self._described())
        return self._verify(token, nonce)

    def _verify(self, token: str, nonce: str) -> Claims:
        settings = self.settings
        return verify(
            token,
            self._keys,
            issuer=settings.issuer,
            client_id=settings.client_id,
            nonce=nonce,
            now=self._clock(),
        )

    async def _exchange(self, code: str, redirect_uri: str, verifier: str) -> str:
        document = await self._described()
        settings = self.settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")]
        secret = settings.client_secret
        if secret is None:
            form["client_id"] = settings.client_id
        elif "client_secret_basic" in document.token_endpoint_auth_methods_supported:
            pair = f"{quote(settings.client_id, safe='')}:{quote(secret.reveal(), safe='')}"
            headers.append(("Authorization", f"Basic {b64encode(pair.encode()).decode()}"))
        else:
            form |= {"client_id": settings.client_id, "client_secret": secret.reveal()}
        body = await self._ask(document.token_endpoint, "POST", headers, urlencode(form).encode())
        answer: _TokenAnswer = _read(body, _TokenAnswer, "its answer to a code")
        return answer.id_token

    async def _described(self) -> _Document:
        if self._document is None or self._clock() - self._read_at > _KEPT_FOR:
            issuer = self.settings.issuer
            body = await self._ask(issuer.rstrip("/") + _DISCOVERY, "GET", [("Accept", "application/json")])
            document = _read(body, _Document, "its description")
            if document.issuer != issuer:
                raise ProviderFailed(f"{issuer} calls itself {document.issuer}; name that as issuer, if it is meant")
            for endpoint in (document.authorization_endpoint, document.token_endpoint, document.jwks_uri):
                self._place(endpoint)
            await self._read_keys(document)
            self._document, self._read_at = document, self._clock()
        return self._document

    async def _read_keys(self, document: _Document) -> None:
        body = await self._ask(document.jwks_uri, "GET", [("Accept", "application/json")])
        found = []
        for key in _read(body, _KeySet, "its keys").keys:
            try:
                found.append(msgspec.convert(key, PublicKey))
            except msgspec.ValidationError:
                continue  # of a kind that we do not know
        self._keys, self._keys_at = found, self._clock()

    async def _ask(self, url: str, method: str, headers: list[tuple[str, str]], body: bytes = b"") -> bytes:
        place = self._place(url)
        dialler = self._dialler()
        dialler.sweep()
        try:
            answer = await ask(
                dialler,
                place.origin,
                place.target,
                method=method,
                headers=headers,
                body=body,
                most=_MOST,
                seconds=_SECONDS,
            )
        except AskFailed as error:
            raise ProviderFailed(str(error)) from None
        if answer.status != 200 or not answer.whole:
            raise ProviderFailed(f"{place.host} answered {answer.status}")
        return answer.body

    def _place(self, url: str) -> WebhookURL:
        """Return where a URL leads. Raises ProviderFailed for one that we do not follow."""
        try:
            issuer = parse_webhook_url(self.settings.issuer, private=True).origin
            place = parse_webhook_url(url, private=True)
            if place.origin.host != issuer.host:
                place = parse_webhook_url(url, private=False)
        except ValueError as error:
            raise ProviderFailed(f"{self.settings.issuer} names an address that cannot be used: {error}") from None
        if issuer.scheme == "https" != place.origin.scheme:
            raise ProviderFailed(f"{self.settings.issuer} names an address without TLS")
        return place


def _read(body: bytes, shape: type[Any], what: str) -> Any:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProviderFailed(f"{what} is not what it must be") from None
