"""The shapes of dashboards, as `usage_item` and `dashboard` write them.

Law: null means that there was nothing to average. `metrics_to_aggregate` leaves out of rows and sums what it does not
name; with `start_time` in its body a request gets rows alone, as clients of old expect them. Neither is described.
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

SeriesRow = dict[str, str | float | None]  # `date_group`, and a number for each series
FilterOptions = dict[str, list[str]]  # known values by field


class Metrics(Struct, frozen=True, kw_only=True):
    """What calls came to. Percentages are of requests; latency and time to the first token are seconds."""

    number_of_requests: int
    total_cost: float
    total_prompt_tokens: int
    total_completion_tokens: int
    total_tokens: int
    error_count: int
    error_percentage: float | None
    average_prompt_tokens: float | None
    average_completion_tokens: float | None
    average_tokens: float | None
    average_cost: float | None
    average_tps: float | None
    average_latency: float | None
    average_ttft: float | None
    prompt_cache_hit_tokens: int | None
    reasoning_tokens: int | None
    cache_hit_percentage: float | None
    requests_per_second: float


class MetricsRow(Metrics, frozen=True, kw_only=True):
    """Of one bucket; `date_group` is where it begins, as its zone writes it."""

    date_group: str


class MetricsOverTime(Struct, frozen=True):
    data: list[MetricsRow]
    summary: Metrics
    filter_options: FilterOptions | UnsetType = UNSET


class MetricsSummary(Metrics, frozen=True, kw_only=True):
    previous_period: Metrics
    filter_options: FilterOptions | UnsetType = UNSET


class Quantiles(Struct, frozen=True, kw_only=True):
    """Each by both names that Respan has given it; seconds, and tokens a second."""

    latency_p_50: float | None
    latency_p_90: float | None
    latency_p_95: float | None
    latency_p_99: float | None
    latency_quantiles_p_50: float | None
    latency_quantiles_p_90: float | None
    latency_quantiles_p_95: float | None
    latency_quantiles_p_99: float | None
    ttft_p_50: float | None
    ttft_p_90: float | None
    ttft_p_95: float | None
    ttft_p_99: float | None
    ttft_quantiles_p_50: float | None
    ttft_quantiles_p_90: float | None
    ttft_quantiles_p_95: float | None
    ttft_quantiles_p_99: float | None
    tps_p_50: float | None
    tps_p_90: float | None
    tps_p_95: float | None
    tps_p_99: float | None
    tps_quantiles_p_50: float | None
    tps_quantiles_p_90: float | None
    tps_quantiles_p_95: float | None
    tps_quantiles_p_99: float | None


class QuantilesRow(Quantiles, frozen=True, kw_only=True):
    date_group: str


class QuantilesOverTime(Struct, frozen=True):
    data: list[QuantilesRow]


class QuantilesSummary(Quantiles, frozen=True, kw_only=True):
    summary: Quantiles


class TopItem(Metrics, frozen=True, kw_only=True):
    """Metrics of one model, key, … by the name of what tells them apart; null where that is not known."""

    model: str | UnsetType | None = UNSET
    organization_key_id: str | UnsetType | None = UNSET
    organization_key_name: str | UnsetType | None = UNSET
    prompt_id: str | UnsetType | None = UNSET
    deployment_name: str | UnsetType | None = UNSET
    customer_identifier: str | UnsetType | None = UNSET
    provider_id: str | UnsetType | None = UNSET


class TopItems(Struct, frozen=True):
    """The list that is asked for."""

    top_models: list[TopItem] | UnsetType = UNSET
    top_keys: list[TopItem] | UnsetType = UNSET
    top_prompts: list[TopItem] | UnsetType = UNSET
    top_deployments: list[TopItem] | UnsetType = UNSET
    top_users: list[TopItem] | UnsetType = UNSET
    top_providers: list[TopItem] | UnsetType = UNSET


class Breakdown(Struct, frozen=True, kw_only=True):
    """Rows of the metrics that are asked for, and what people call the series that are named by ids."""

    names: dict[str, str]
    number_of_requests: list[SeriesRow] | UnsetType = UNSET
    total_cost: list[SeriesRow] | UnsetType = UNSET
    total_prompt_tokens: list[SeriesRow] | UnsetType = UNSET
    total_completion_tokens: list[SeriesRow] | UnsetType = UNSET
    total_tokens: list[SeriesRow] | UnsetType = UNSET
    error_count: list[SeriesRow] | UnsetType = UNSET
    error_percentage: list[SeriesRow] | UnsetType = UNSET
    average_prompt_tokens: list[SeriesRow] | UnsetType = UNSET
    average_completion_tokens: list[SeriesRow] | UnsetType = UNSET
    average_tokens: list[SeriesRow] | UnsetType = UNSET
    average_cost: list[SeriesRow] | UnsetType = UNSET
    average_tps: list[SeriesRow] | UnsetType = UNSET
    average_latency: list[SeriesRow] | UnsetType = UNSET
    average_ttft: list[SeriesRow] | UnsetType = UNSET
    prompt_cache_hit_tokens: list[SeriesRow] | UnsetType = UNSET
    reasoning_tokens: list[SeriesRow] | UnsetType = UNSET
    cache_hit_percentage: list[SeriesRow] | UnsetType = UNSET
    requests_per_second: list[SeriesRow] | UnsetType = UNSET


class ActiveUsersRow(Struct, frozen=True):
    date_group: str
    active_users: int


class ActiveUsersSummary(Struct, frozen=True):
    active_users: int
    average_cost_per_user: float
    total_user_cost: float


class ActiveUsers(Struct, frozen=True):
    activity: list[ActiveUsersRow]
    summary: ActiveUsersSummary


class TotalUsersRow(Struct, frozen=True):
    date_group: str
    total_users: int


class TotalUsersSummary(Struct, frozen=True):
    total_users: int


class TotalUsers(Struct, frozen=True):
    total_users: int
    data: list[TotalUsersRow]
    summary: TotalUsersSummary


class CacheHits(Struct, frozen=True, kw_only=True):
    cache_hit_count: int
    cache_hit_tokens: int
    cache_hit_cost_savings: float
    cache_hit_percentage: float | None


class CacheHitsRow(CacheHits, frozen=True, kw_only=True):
    date_group: str


class CacheHitsOverTime(Struct, frozen=True):
    data: list[CacheHitsRow]


class CacheHitsTotal(CacheHits, frozen=True, kw_only=True):
    number_of_requests: int
    total_tokens: int
    total_cost: float
    total_time_saved: float | None


class CacheHitsSummary(CacheHitsTotal, frozen=True, kw_only=True):
    summary: CacheHitsTotal


class Storage(Struct, frozen=True, kw_only=True):
    storage_bytes: int


class StorageRow(Storage, frozen=True, kw_only=True):
    date_group: str


class StorageOverTime(Struct, frozen=True):
    data: list[StorageRow]


class StorageSummary(Storage, frozen=True, kw_only=True):
    summary: Storage


class EvaluationsOverTime(Struct, frozen=True):
    number_of_requests: list[Any]
    avg_primary_score: list[Any]
    total_cost: list[Any]


class Dashboard(Struct, frozen=True):
    """Rows and sums of all metrics and quantiles together."""

    data: list[SeriesRow]
    summary: dict[str, float | None]
    model_breakdown: list[TopItem] | UnsetType = UNSET
    key_breakdown: list[TopItem] | UnsetType = UNSET


class PlatformStats(Struct, frozen=True):
    total_tokens: list[SeriesRow]
    total_cost: list[SeriesRow]
