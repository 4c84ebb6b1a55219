"""Anthropic's edge: who may come in, and the headers of every answer."""

from msgspec.structs import replace

from gantry.simulator.accounts import Accounts
from gantry.simulator.anthropic import catalog, errors
from gantry.simulator.anthropic.batches import Batches
from gantry.simulator.anthropic.files import Files
from gantry.simulator.anthropic.messages import Messages
from gantry.simulator.anthropic.versions import version
from gantry.simulator.exchange import Answer, Headers, Request
from gantry.simulator.oracle import digest, identifier
from gantry.simulator.routes import Refusal, Routes

_RESET = b"2026-09-21T14:13:21Z"
_LIMITS: Headers = tuple(
    (b"anthropic-ratelimit-%s-%s" % (kind, part), value)
    for kind, limit in (
        (b"requests", b"4000"),
        (b"input-tokens", b"2000000"),
        (b"output-tokens", b"400000"),
        (b"tokens", b"2400000"),
    )
    for part, value in ((b"limit", limit), (b"remaining", limit), (b"reset", _RESET))
)


class AnthropicApi:
    """All accounts, with what they keep."""

    error_event = errors.ERROR_EVENT

    def __init__(self) -> None:
        self._accounts = Accounts(_routes)

    def routes(self, request: Request) -> Routes:
        """Return the operations as the account of the request's key sees them."""
        return self._accounts.of(_key(request))

    def refuse(self, request: Request) -> Answer | None:
        """Return an error if the request has no usable key, or names no version."""
        key, bearer = _key(request), request.header(b"x-api-key") is None
        if not key:
            return errors.error(401, "authentication_error", "x-api-key header is required")
        if key.startswith("bad"):
            message = "Invalid bearer token" if bearer else "invalid x-api-key"
            return errors.error(401, "authentication_error", message)
        try:
            version(request.header(b"anthropic-version"))
        except Refusal as refusal:
            return refusal.answer
        return None

    def error(self, status: int, code: str) -> Answer:
        return errors.simulated(status, code)

    def missing(self, known: bool) -> Answer:
        if known:
            return errors.error(405, errors.INVALID, "Method Not Allowed")
        return errors.error(404, "not_found_error", "Not found")

    def complete(self, answer: Answer, request: Request, path: str) -> Answer:
        """Name the request, in a header and in an error's body."""
        name = b"req_01" + identifier(digest(request.method, request.target, request.body), length=22).encode()
        if answer.status >= 400:
            answer = replace(answer, parts=(answer.body.replace(errors.UNNAMED.encode(), name),))
        limits = _LIMITS if path == "/v1/messages" else ()
        return answer.with_headers(((b"request-id", name), (b"anthropic-organization-id", b"simulated"), *limits))


def _key(request: Request) -> str:
    given = request.header(b"x-api-key")
    return request.key if given is None else given.decode("latin-1")


def _routes(owner: str) -> Routes:
    messages = Messages()
    return Routes(catalog.TABLE, messages.table(), Files(owner).table(), Batches(owner, messages).table())
