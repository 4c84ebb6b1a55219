"""Figures of a request log that follow from what it says: whether the cache answered, how many tokens, how fast."""

from gantry.core.request_log import CACHED_MODEL, RequestLog


def is_cache_hit(log: RequestLog) -> bool:
    """Say whether the answer came out of the response cache, ours or that of whoever posted the log."""
    return log.model == CACHED_MODEL


def total_tokens(log: RequestLog) -> int | None:
    """Return the total that was reported, or else what was reported in and out."""
    usage = log.usage
    if usage.total_tokens is not None or usage.input_tokens is None or usage.output_tokens is None:
        return usage.total_tokens
    return usage.input_tokens + usage.output_tokens


def tokens_per_second(log: RequestLog) -> float | None:
    """Return the speed of generation: output tokens by the time from the first one on, or by all of it.

    None of an answer from the cache: nothing was generated.
    """
    output_tokens, latency = log.usage.output_tokens, log.latency
    if latency is None or output_tokens is None or output_tokens <= 0 or log.model == CACHED_MODEL:
        return None
    waited = log.time_to_first_token if log.stream and log.time_to_first_token is not None else 0
    generating = latency - waited if latency > waited else latency
    return output_tokens * 1e9 / generating if generating > 0 else None
