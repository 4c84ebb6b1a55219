"""The fuzz loop: one seed gives one sequence of inputs, so any failure can be run again."""

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from tests.fuzz import envelope, http1, multipart, response_heads

SEEDS: Final = Path(__file__).with_name("seeds.txt")


class Target(NamedTuple):
    make_input: Callable[[Random], bytes]
    check: Callable[[bytes, Random], None]


TARGETS: Final[Mapping[str, Target]] = {
    "envelope": Target(envelope.make_input, envelope.check),
    "http1": Target(http1.make_input, http1.check),
    "multipart": Target(multipart.make_input, multipart.check),
    "response_heads": Target(response_heads.make_input, response_heads.check),
}


def run(name: str, inputs: int, seed: int) -> str:
    """Check so many inputs and return a line that says so. Raises AssertionError with the input that broke a law."""
    target = TARGETS[name]
    random = Random(seed)
    for number in range(inputs):
        data = target.make_input(random)
        try:
            target.check(data, random)
        except Exception as error:
            raise AssertionError(f"{name}, seed {seed}, input {number}: {error!r} for {data!r}") from error
    return f"{name}: {inputs} inputs from seed {seed}, every law held"


def kept_seeds() -> list[tuple[str, int]]:
    """Return the target and seed of every line of seeds.txt."""
    lines = (line.split() for line in SEEDS.read_text().splitlines() if line and not line.startswith("#"))
    return [(name, int(seed)) for name, seed, _ in lines]
