"""What the harness and its load process say to each other: one JSON line for a job, one for its result."""

from collections.abc import Sequence

from msgspec import Struct

from bench.traffic import Shape


class Target(Struct, frozen=True):
    """Where and how to call. `exact` says that the answer must be the upstream's, byte for byte."""

    name: str
    port: int
    path: str
    model: str
    headers: dict[str, str]
    exact: bool = False


class Job(Struct, frozen=True, kw_only=True):
    """Closed loop: each connection sends its next call when the last was answered.

    With several targets, one connection each, they take turns: the noise of the machine then falls on all alike.
    """

    targets: list[Target]
    connections: int = 1  # per target
    seconds: float | None = None  # no call starts later than this
    calls: int | None = None  # how many calls in all
    size: int = 300
    shape: Shape = Shape()
    stagger: float = 0.0  # seconds over which the connections begin
    samples: bool = False  # return every latency, for percentiles over several jobs


class Percentiles(Struct, frozen=True):
    """In nanoseconds."""

    p50: int
    p90: int
    p99: int
    worst: int


class TargetResult(Struct, frozen=True, kw_only=True):
    name: str
    calls: int
    failures: int
    first_failure: str
    seconds: float
    latency: Percentiles
    first_event: Percentiles | None  # from the request to the first event, for streams
    event_delay: Percentiles | None  # from the upstream's write of an event to its arrival
    events: int
    reads: int  # pieces of body the client saw; fewer than events when some were merged
    latencies: list[int] = []  # in nanoseconds, where the job asked for them


def percentiles(values: Sequence[int]) -> Percentiles:
    """Return the percentiles of a sample; zeros for an empty one."""
    if not values:
        return Percentiles(0, 0, 0, 0)
    ordered = sorted(values)
    last = len(ordered) - 1
    at = [ordered[min(last, round(last * share))] for share in (0.5, 0.9, 0.99)]
    return Percentiles(at[0], at[1], at[2], ordered[-1])
