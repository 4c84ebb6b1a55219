"""An OpenID provider on loopback: it describes itself, shows its key, and exchanges codes for tokens it signs.

What a test wants of the next token it says in `claims` and `sign`; everything asked of the provider is in `asked`.
"""

import hashlib
import json
import threading
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

CLIENT_ID = "gantry"
CLIENT_SECRET = "a secret: with signs"
Sign = Callable[[dict[str, Any], dict[str, Any]], str]


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def signing_input(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))


class OpenIDProvider:
    def __init__(self, now: float) -> None:
        self.now = now
        self.key: RSAPrivateKey = generate_private_key(65537, 2048)
        self.kid = "first"
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.sign: Sign = self.sign_by_key
        self.asked: list[str] = []
        self.challenges: dict[str, str] = {}  # by code
        self.described: dict[str, Any] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator["OpenIDProvider"]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def authorize(self, url: str, code: str = "a-code") -> dict[str, str]:
        """Be the page where somebody signs in; return what comes back in the query, and the nonce."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(f"{self.issuer}/authorize?")
        assert query["code_challenge_method"] == "S256"
        self.challenges[code] = query["code_challenge"]
        self.claims = {
            "iss": self.issuer,
            "sub": "subject-1",
            "aud": CLIENT_ID,
            "exp": self.now + 300,
            "iat": self.now,
            "nonce": query["nonce"],
            "email": "Grace@Example.com",
            "email_verified": True,
            "name": "Grace",
        }
        return {"state": query["state"], "code": code}

    def sign_by_key(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        signed = signing_input(header, claims)
        return f"{signed}.{encoded(self.key.sign(signed.encode(), PKCS1v15(), SHA256()))}"

    def key_set(self) -> dict[str, Any]:
        numbers = self.key.public_key().public_numbers()
        shown = {
            name: encoded(number.to_bytes((number.bit_length() + 7) // 8, "big"))
            for name, number in (("n", numbers.n), ("e", numbers.e))
        }
        return {"keys": [{"kty": "oct", "kid": 3}, {"kty": "RSA", "kid": self.kid, "use": "sig", **shown}]}

    def describe(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            **self.described,
        }

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        pair = [unquote(part) for part in b64decode(authorization.removeprefix("Basic ")).decode().split(":", 1)]
        challenge = self.challenges.pop(form["code"], None)  # a code is good for one use
        if pair != [CLIENT_ID, CLIENT_SECRET]:
            return 401, {"error": "invalid_client"}
        if challenge is None or encoded(hashlib.sha256(form["code_verifier"].encode()).digest()) != challenge:
            return 400, {"error": "invalid_grant"}
        header = {"alg": "RS256", "kid": self.kid, **self.header}
        return 200, {"id_token": self.sign(header, self.claims), "access_token": "x", "token_type": "Bearer"}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                provider.asked.append(self.path)
                self._answer(200, provider.key_set() if self.path == "/keys" else provider.describe())

            def do_POST(self) -> None:
                provider.asked.append(self.path)
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                self._answer(*provider.exchange(form, self.headers.get("authorization", "")))

            def _answer(self, status: int, content: dict[str, Any]) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                """Say nothing."""

        return Handler
