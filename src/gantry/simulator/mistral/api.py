"""Mistral's edge: who may come in, the account of a key, and the headers of every answer."""

from gantry.simulator.accounts import Accounts
from gantry.simulator.exchange import Answer, Headers, Request, json_answer
from gantry.simulator.mistral import errors
from gantry.simulator.mistral.account import Account
from gantry.simulator.oracle import digest
from gantry.simulator.routes import Routes

_LIMITS: Headers = (
    (b"x-ratelimit-limit-req-minute", b"360"),
    (b"x-ratelimit-remaining-req-minute", b"359"),
    (b"x-ratelimit-limit-tokens-minute", b"500000"),
    (b"x-ratelimit-remaining-tokens-minute", b"499900"),
    (b"x-ratelimit-tokens-query-cost", b"32"),
)
_EDGE: Headers = (
    (b"server", b"cloudflare"),
    (b"set-cookie", b"__cf_bm=simulated; path=/; HttpOnly; Secure"),
    (b"access-control-allow-origin", b"*"),
    (b"x-envoy-upstream-service-time", b"40"),
    (b"x-kong-upstream-latency", b"41"),
    (b"x-kong-proxy-latency", b"3"),
)
_METERED = ("/completions", "/embeddings", "/moderations", "/classifications", "/ocr", "/transcriptions", "/responses")


class MistralApi:
    """All accounts."""

    error_event = errors.ERROR_EVENT

    def __init__(self) -> None:
        self._accounts = Accounts(Account)

    def routes(self, request: Request) -> Routes:
        """Return the operations as the account of the request's key sees them."""
        return self._accounts.of(request.key).routes

    def refuse(self, request: Request) -> Answer | None:
        """Return an error if the request has no usable key."""
        if not request.key or request.key.startswith("bad"):
            return errors.strangers(request.key)
        return None

    def error(self, status: int, code: str) -> Answer:
        return errors.simulated(status, code)

    def missing(self, known: bool) -> Answer:
        if known:
            return json_answer({"detail": "Method Not Allowed"}, 405)
        return json_answer({"detail": "Not Found"}, 404)

    def complete(self, answer: Answer, request: Request, path: str) -> Answer:
        name = digest(request.method, request.target, request.body)
        correlation = f"{name[:8]}-{name[8:12]}-7{name[13:16]}-a{name[17:20]}-{name[20:]}".encode()
        own = ((b"mistral-correlation-id", correlation), (b"x-kong-request-id", name.encode()))
        return answer.with_headers(own + (_LIMITS if path.endswith(_METERED) else ()) + _EDGE)
