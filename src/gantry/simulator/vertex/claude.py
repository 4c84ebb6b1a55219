"""Claude as Google serves it: the model is in the path, and the body names Anthropic's version for Google."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gantry.simulator.anthropic.bodies import decode
from gantry.simulator.anthropic.errors import misplaced
from gantry.simulator.anthropic.messages import Messages
from gantry.simulator.anthropic.requests import COUNT, MESSAGE
from gantry.simulator.anthropic.versions import Version
from gantry.simulator.exchange import Answer, Request
from gantry.simulator.routes import Call

_GOOGLES_OWN = "vertex-2023-10-16"
_VERSIONS = {_GOOGLES_OWN: Version.USUAL, "2023-06-01": Version.USUAL, "2026-10-21": Version.NEWEST}
_COUNT = "count-tokens"


class _Named(msgspec.Struct, frozen=True):
    anthropic_version: Annotated[str, Meta(min_length=1)]


_NAMED = msgspec.json.Decoder(_Named)


class Claude:
    def __init__(self) -> None:
        self._messages = Messages("vrtx_")

    def predict(self, call: Call, model: str) -> Answer:
        """Answer `rawPredict` and `streamRawPredict`: whether it is a stream, the body says."""
        version = _VERSIONS.get(decode(_NAMED, call.request.body).anthropic_version)
        if version is None:
            raise misplaced(("anthropic_version",), f"Input should be '{_GOOGLES_OWN}' or '{Version.NEWEST}'")
        fields: dict[str, Any] = msgspec.json.decode(call.request.body)
        del fields["anthropic_version"]
        if model == _COUNT:
            return self._messages.counted(decode(COUNT, msgspec.json.encode(fields)), call, version)
        if "model" in fields:
            raise misplaced(("model",), "Extra inputs are not permitted")
        body = msgspec.json.encode({**fields, "model": model})
        request = Request(call.request.method, call.request.target, call.request.headers, body)
        return self._messages.respond(decode(MESSAGE, body), Call(request, call.faults), version)
