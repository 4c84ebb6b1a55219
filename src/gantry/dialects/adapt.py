"""The adapt tier: one call between two dialects of a family, its request and its answer.

Law: the answer is adapted by what the request asked for, so both belong to one value. Today's only pair is an OpenAI
client in front of Mistral.
"""

from msgspec import Struct

from gantry.dialects.mistral_answer import StreamAdapter, to_openai
from gantry.dialects.mistral_request import MistralRequest, to_mistral


class Adaptation(Struct, frozen=True):
    """A call on its way: `body` goes upstream, and the answer comes back through `response` or `stream`."""

    request: MistralRequest

    @property
    def body(self) -> bytes:
        return self.request.body

    @property
    def changes(self) -> list[str]:
        """What was done to the request beyond renaming, for the record and the caller."""
        return self.request.changes

    def response(self, status: int, body: bytes) -> bytes:
        """Return a whole answer for the client. Raises UpstreamBroke."""
        return to_openai(status, body)

    def stream(self) -> StreamAdapter:
        """Return the machine for a streamed answer."""
        return StreamAdapter(include_usage=self.request.include_usage)


def adapt_request(body: bytes) -> Adaptation:
    """Return the adaptation of a chat request. Raises InvalidRequest for what Mistral cannot do."""
    return Adaptation(to_mistral(body))
