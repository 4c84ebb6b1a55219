"""An identity provider's word about a person: a signed token (OpenID Connect Core §2), read and verified. Pure.

Law: what is not proved is refused. The algorithm is one of three that a public key verifies, and the key's kind decides
which of them it can be, whatever the token says: neither `none` nor a shared secret passes for a signature.
"""

import binascii
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from msgspec import Struct

_LONGEST: Final = 16 * 1024
_LEEWAY: Final = 60  # seconds that two clocks may be apart
_OLDEST: Final = 600  # seconds since a token was made: it is used at once
_SHORTEST_RSA: Final = 2048
_LONGEST_SUBJECT: Final = 255


class TokenRefused(ValueError):
    """The token proves nothing; the message says why, and quotes nothing of it."""


class KeyUnknown(TokenRefused):
    """It is signed by a key that is not among those given: they may have been changed since."""


class PublicKey(Struct, frozen=True):
    """A key of a provider's set (RFC 7517), as far as we can use one."""

    kty: str
    kid: str | None = None
    use: str | None = None
    alg: str | None = None
    crv: str | None = None
    n: str | None = None
    e: str | None = None
    x: str | None = None
    y: str | None = None


class Claims(Struct, frozen=True):
    """What a token says. `email_verified` is true only where the provider says so."""

    iss: str
    sub: str
    aud: str | list[str]
    exp: float
    iat: float
    nonce: str | None = None
    azp: str | None = None
    nbf: float | None = None
    email: str | None = None
    email_verified: Any = None
    name: str | None = None


class _Header(Struct, frozen=True):
    alg: str
    kid: str | None = None
    crit: list[str] | None = None


def verify(token: str, keys: Sequence[PublicKey], *, issuer: str, client_id: str, nonce: str, now: float) -> Claims:
    """Return what a token says of whom. `now` is in seconds since the epoch. Raises TokenRefused."""
    parts = token.split(".")
    if len(token) > _LONGEST or len(parts) != 3:
        raise TokenRefused("the token is no signed token")
    header: _Header = _decoded(parts[0], _Header)
    if header.crit:
        raise TokenRefused("the token asks for what we do not know")
    _check_signature(header, f"{parts[0]}.{parts[1]}".encode(), _bytes(parts[2]), keys)
    claims: Claims = _decoded(parts[1], Claims)
    _check_claims(claims, issuer, client_id, nonce, now)
    return claims


def _check_claims(claims: Claims, issuer: str, client_id: str, nonce: str, now: float) -> None:
    audience = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if claims.iss != issuer:
        raise TokenRefused("the token is of another issuer")
    if client_id not in audience:
        raise TokenRefused("the token is for somebody else")
    if (len(audience) > 1 or claims.azp is not None) and claims.azp != client_id:
        raise TokenRefused("the token was given to somebody else")
    if claims.nonce != nonce:
        raise TokenRefused("the token is not for this sign-in")
    if not claims.exp > now - _LEEWAY:
        raise TokenRefused("the token has expired")
    if not now - _OLDEST < claims.iat < now + _LEEWAY or (claims.nbf is not None and claims.nbf > now + _LEEWAY):
        raise TokenRefused("the token is not of this moment")
    if not claims.sub or len(claims.sub) > _LONGEST_SUBJECT or not claims.sub.isprintable():
        raise TokenRefused("the token names nobody")


def _check_signature(header: _Header, signed: bytes, signature: bytes, keys: Sequence[PublicKey]) -> None:
    check = _ALGORITHMS.get(header.alg)
    if check is None:
        raise TokenRefused("the token is signed in a way that we do not accept")
    kind, verify_by = check
    candidates = [
        key
        for key in keys
        if key.kty == kind
        and (header.kid is None or key.kid == header.kid)
        and key.use in (None, "sig")
        and key.alg in (None, header.alg)
    ]
    if not candidates:
        raise KeyUnknown("the token is signed by a key that its issuer does not show")
    for key in candidates:
        try:
            verify_by(key, signed, signature)
        except (InvalidSignature, ValueError):
            continue
        return
    raise TokenRefused("the token's signature is wrong")


def _verify_rsa(key: PublicKey, signed: bytes, signature: bytes) -> None:
    public = RSAPublicNumbers(_number(key.e), _number(key.n)).public_key()
    if public.key_size < _SHORTEST_RSA:
        raise ValueError("the key is too short")
    public.verify(signature, signed, PKCS1v15(), SHA256())


def _verify_elliptic(key: PublicKey, signed: bytes, signature: bytes) -> None:
    if key.crv != "P-256" or len(signature) != 64:
        raise ValueError("the key is of another curve")
    public = EllipticCurvePublicNumbers(_number(key.x), _number(key.y), SECP256R1()).public_key()
    halves = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    public.verify(encode_dss_signature(*halves), signed, ECDSA(SHA256()))


def _verify_edwards(key: PublicKey, signed: bytes, signature: bytes) -> None:
    if key.crv != "Ed25519":
        raise ValueError("the key is of another curve")
    Ed25519PublicKey.from_public_bytes(_bytes(key.x or "")).verify(signature, signed)


_ALGORITHMS: Final[Mapping[str, tuple[str, Callable[[PublicKey, bytes, bytes], None]]]] = {
    "RS256": ("RSA", _verify_rsa),
    "ES256": ("EC", _verify_elliptic),
    "EdDSA": ("OKP", _verify_edwards),
}


def _number(text: str | None) -> int:
    return int.from_bytes(_bytes(text or ""), "big")


def _decoded(part: str, shape: type[Any]) -> Any:
    try:
        return msgspec.json.decode(_bytes(part), type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise TokenRefused("the token does not say what it must") from None


def _bytes(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise TokenRefused("the token is no signed token") from None
