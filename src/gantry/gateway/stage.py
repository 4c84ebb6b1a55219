"""The stages of a call, and how long each may last without a sign of life."""

from enum import Enum, auto

from gantry.gateway.limits import WorkerLimits


class Stage(Enum):
    READING = auto()  # the request's body is arriving
    PAUSING = auto()  # between two attempts
    CONNECTING = auto()
    WAITING = auto()  # sent; no answer yet
    ANSWERING = auto()
    OVER = auto()


# Python 3.11 reads an enum's member through a descriptor, which costs a tenth of a microsecond each time.
READING, PAUSING, CONNECTING, WAITING, ANSWERING, OVER = Stage


def overdue(stage: Stage, waited: float, limits: WorkerLimits) -> str | None:
    """Return what the provider is late with, after so many seconds; None while there is time."""
    if stage is CONNECTING and waited > limits.connect_timeout:
        return f"no connection to the provider within {limits.connect_timeout:g} s"
    if stage is WAITING and waited > limits.first_byte_timeout:
        return f"the provider did not answer within {limits.first_byte_timeout:g} s"
    if stage is ANSWERING and waited > limits.idle_timeout:
        return f"the provider's answer stalled for {limits.idle_timeout:g} s"
    return None
