"""Bedrock's edge: a signature, or a key of its own as a bearer."""

from gantry.simulator.bedrock import converse, errors
from gantry.simulator.bedrock.signature import check_signature
from gantry.simulator.exchange import Answer, Request
from gantry.simulator.oracle import uuid
from gantry.simulator.routes import Routes


class BedrockApi:
    """The runtime of one region. It keeps nothing."""

    error_event = errors.FAILURE

    def __init__(self) -> None:
        self._routes = Routes(converse.TABLE)

    def routes(self, _: Request) -> Routes:
        return self._routes

    def refuse(self, request: Request) -> Answer | None:
        """Return an error if the request is not signed and has no usable key."""
        if not request.key:
            return check_signature(request)
        if request.key.startswith("bad"):
            text = "Authentication failed: Please make sure your API Key is valid."
            return errors.error(403, "AccessDeniedException", text)
        return None

    def error(self, status: int, code: str) -> Answer:
        return errors.simulated(status, code)

    def missing(self, known: bool) -> Answer:
        kind = "UnknownOperationException"
        return errors.error(405 if known else 404, kind, "The requested operation is not recognized by the service.")

    def complete(self, answer: Answer, request: Request, path: str) -> Answer:
        identity = uuid(request.method, request.target, request.body).encode()
        return answer.with_headers(((b"x-amzn-requestid", identity),))
