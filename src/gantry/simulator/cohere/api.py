"""Cohere's edge."""

from gantry.simulator.cohere import catalog, chat, errors, vectors
from gantry.simulator.exchange import Answer, Request
from gantry.simulator.oracle import digest
from gantry.simulator.routes import Routes


class CohereApi:
    """It keeps nothing."""

    error_event = errors.ERROR_EVENT

    def __init__(self) -> None:
        self._routes = Routes(chat.TABLE, vectors.TABLE, catalog.TABLE)

    def routes(self, _: Request) -> Routes:
        return self._routes

    def refuse(self, request: Request) -> Answer | None:
        """Return an error if the request has no usable key."""
        if not request.key:
            return errors.error(401, "no api key supplied")
        if request.key.startswith("bad"):
            see = "You can find your API key at https://dashboard.cohere.com/api-keys."
            return errors.error(401, f"Incorrect API key provided: ***. {see}")
        return None

    def error(self, status: int, code: str) -> Answer:
        return errors.simulated(status, code)

    def missing(self, known: bool) -> Answer:
        return errors.error(405, "method not allowed") if known else errors.error(404, "page not found")

    def complete(self, answer: Answer, request: Request, path: str) -> Answer:
        name = digest(request.method, request.target, request.body)[:32].encode()
        limits = ((b"x-trial-endpoint-call-limit", b"40"), (b"x-trial-endpoint-call-remaining", b"39"))
        return answer.with_headers(((b"x-debug-trace-id", name), (b"x-endpoint-monthly-call-limit", b"1000"), *limits))
