"""What a client's connection and the exchanges on it know of each other.

Law: a connection has one exchange at a time, tells it what arrives and what became of the client, and writes what it
is given; an exchange ends with `finish_exchange`, or with the connection.
"""

from typing import Protocol

from gantry.core.errors import GatewayError


class Exchange(Protocol):
    """One request and its response."""

    def begin(self, body: bytes | None) -> None:
        """The head is complete. So is the body, when it came with it; else the next two follow."""

    def on_request_body(self, data: bytes) -> None: ...
    def on_request_end(self) -> None: ...
    def on_client_gone(self) -> None: ...
    def on_client_full(self) -> None: ...
    def on_client_drained(self) -> None: ...
    def refuse(self, error: GatewayError) -> None:
        """End with an error: the request went wrong on its way in, or one of the above raised a fault of ours."""


class Client(Protocol):
    """The connection the call came on, as far as the call acts on it."""

    def write(self, data: bytes) -> None: ...
    def abort(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def finish_exchange(self) -> None: ...
    def hand_over(self, exchange: Exchange) -> None:
        """Let another exchange answer the request, which is complete."""
