"""Thought signatures: one made here is known again, whatever it is attached to."""

import base64

from gantry.simulator.seal import decoded, is_sealed, sealed

# What Google lets a client send in place of a signature it never had.
_SKIP = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")


def sign(*thoughts: str) -> str:
    return base64.b64encode(sealed(*thoughts)).decode()


def is_signature(given: str) -> bool:
    raw = decoded(given)
    return given in _SKIP or raw.decode("latin-1") in _SKIP or is_sealed(raw)
