"""A worker's bounds and deadlines, in bytes and seconds. Filled from the settings by the supervisor's message."""

from msgspec import Struct


class WorkerLimits(Struct, frozen=True, kw_only=True):
    max_header_bytes: int = 64 * 1024
    max_body_bytes: int = 32 * 1024 * 1024
    max_bytes_held: int = 512 * 1024 * 1024
    max_capture_bytes: int = 8 * 1024 * 1024
    header_timeout: float = 15.0
    body_timeout: float = 60.0  # without a byte of the request's body
    keepalive_timeout: float = 75.0
    connect_timeout: float = 10.0
    first_byte_timeout: float = 300.0
    idle_timeout: float = 300.0
    total_timeout: float | None = None
    ping_interval: float = 15.0
    drain_timeout: float = 30.0
    max_snapshot_age: float | None = None
    refuse_when_journal_full: bool = True
    refuse_when_counters_full: bool = False
