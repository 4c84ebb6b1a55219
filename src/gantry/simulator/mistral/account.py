"""One account: every operation of Mistral's API, over what the account keeps.

Law: an account sees its own resources and no other's, because it holds no other's. Each module brings the table of its
own operations; this one only puts them together.
"""

from gantry.simulator import faults
from gantry.simulator.exchange import JSON, Answer, Request
from gantry.simulator.faults import FaultError
from gantry.simulator.mistral import chat, errors, judgement, realtime, responses, vectors
from gantry.simulator.mistral.agents import Agents
from gantry.simulator.mistral.audio import Audio
from gantry.simulator.mistral.batches import Batches
from gantry.simulator.mistral.catalog import Catalog
from gantry.simulator.mistral.conversations import Conversations
from gantry.simulator.mistral.documents import Documents
from gantry.simulator.mistral.files import Files
from gantry.simulator.mistral.libraries import Libraries
from gantry.simulator.mistral.registry import Registry
from gantry.simulator.mistral.tuning import Tuning
from gantry.simulator.mistral.voices import Voices
from gantry.simulator.routes import Call, Refusal, Routes


class Account:
    def __init__(self, name: str) -> None:
        files, agents, catalog, voices = Files(name), Agents(name), Catalog(), Voices(name)
        self.routes = Routes(
            chat.TABLE,
            vectors.TABLE,
            judgement.TABLE,
            responses.TABLE,
            realtime.TABLE,
            catalog.table(),
            files.table(),
            voices.table(),
            Audio(files).table(),
            Documents(files).table(),
            agents.table(),
            Conversations(name, agents).table(),
            Batches(name, files, self._alone).table(),
            Libraries(name).table(),
            Tuning(name, catalog).table(),
            Registry(name, "prompt").table(),
            Registry(name, "skill").table(),
        )

    def _alone(self, endpoint: str, body: bytes) -> Answer:
        """Answer one request of a batch."""
        request = Request(b"POST", endpoint.encode(), ((b"content-type", JSON),), body)
        handler, parameters, _ = self.routes.find("POST", endpoint)
        try:
            asked = faults.requested(request)
        except FaultError as error:
            return errors.error(400, str(error), "invalid_request_error")
        if asked.status and asked.status != 200:
            return errors.simulated(asked.status, asked.code)
        if handler is None:
            return errors.error(404, f"Unknown endpoint {endpoint}", "not_found_error")
        try:
            return handler(Call(request, asked, parameters))
        except Refusal as refusal:
            return refusal.answer
