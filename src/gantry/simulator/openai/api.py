"""OpenAI's tree of operations, as far as it is simulated."""

from gantry.simulator.accounts import Accounts
from gantry.simulator.exchange import Answer, Headers, Request
from gantry.simulator.openai import audio, catalog, chat, errors, moderations, vectors
from gantry.simulator.openai.responses import Responses
from gantry.simulator.oracle import digest
from gantry.simulator.routes import Routes, Table

_LIMITS: Headers = (
    (b"x-ratelimit-limit-requests", b"30000"),
    (b"x-ratelimit-limit-tokens", b"150000000"),
    (b"x-ratelimit-remaining-requests", b"29999"),
    (b"x-ratelimit-remaining-tokens", b"149999900"),
    (b"x-ratelimit-reset-requests", b"2ms"),
    (b"x-ratelimit-reset-tokens", b"0s"),
    (b"openai-organization", b"simulated"),
    (b"openai-processing-ms", b"40"),
    (b"openai-version", b"2020-10-01"),
)


def tables(owner: str) -> tuple[Table, ...]:
    """Return all operations of an account."""
    kept = Responses(owner).table()
    return chat.TABLE, vectors.TABLE, catalog.TABLE, audio.TABLE, moderations.TABLE, kept


class OpenAIApi:
    """All accounts at OpenAI, with the responses they keep."""

    error_event = errors.ERROR_EVENT

    def __init__(self) -> None:
        self._accounts = Accounts(lambda owner: Routes(*tables(owner)))

    def routes(self, request: Request) -> Routes:
        """Return the operations as the account of the request's key sees them."""
        return self._accounts.of(request.key)

    def refuse(self, request: Request) -> Answer | None:
        """Return an error if the request has no usable key."""
        scheme, _, key = (request.header(b"authorization") or b"").partition(b" ")
        if scheme.lower() == b"bearer" and key and not key.startswith(b"bad"):
            return None
        if not key:
            message = "You didn't provide an API key."
            return errors.error(401, message, "invalid_request_error")
        return errors.simulated(401)

    def error(self, status: int, code: str) -> Answer:
        return errors.simulated(status, code)

    def missing(self, known: bool) -> Answer:
        if known:
            return errors.error(
                405, "Not allowed to use this method here.", "invalid_request_error", "method_not_supported"
            )
        return errors.error(404, "Invalid URL", "invalid_request_error")

    def complete(self, answer: Answer, request: Request, path: str) -> Answer:
        name = b"req_" + digest(request.method, request.target, request.body).encode()
        metered = path.endswith(("/completions", "/embeddings", "/responses"))
        return answer.with_headers(((b"x-request-id", name), *(_LIMITS if metered else ())))
