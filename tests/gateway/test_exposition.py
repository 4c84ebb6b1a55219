"""The text for Prometheus: both formats, labels escaped, buckets added up."""

import pytest

from gantry.gateway.exposition import OPENMETRICS, PLAIN, Exposition, format_asked


def rendered(content_type: str) -> list[str]:
    told = Exposition(content_type)
    told.counter("calls_total", "Calls.", [({"model": 'a "b"\\\n'}, 2), ({"model": "c"}, 0)])
    told.gauge("lag", "Lag.", 1.5)
    told.histogram("took_seconds", "Time.", (0.5, 1), [({"of": "x"}, [1, 0, 2], 7.5)])
    return told.render().decode().splitlines()


def test_what_is_told_in_both_formats() -> None:
    plain, openmetrics = rendered(PLAIN), rendered(OPENMETRICS)
    assert plain == [
        "# HELP calls_total Calls.",
        "# TYPE calls_total counter",
        'calls_total{model="a \\"b\\"\\\\\\n"} 2',
        'calls_total{model="c"} 0',
        "# HELP lag Lag.",
        "# TYPE lag gauge",
        "lag 1.5",
        "# HELP took_seconds Time.",
        "# TYPE took_seconds histogram",
        'took_seconds_bucket{of="x",le="0.5"} 1',
        'took_seconds_bucket{of="x",le="1.0"} 1',
        'took_seconds_bucket{of="x",le="+Inf"} 3',
        'took_seconds_sum{of="x"} 7.5',
        'took_seconds_count{of="x"} 3',
    ]
    assert openmetrics == ["# HELP calls Calls.", "# TYPE calls counter", *plain[2:], "# EOF"]


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (b"", PLAIN),
        (b"*/*", PLAIN),
        (b"application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1", OPENMETRICS),
    ],
)
def test_the_format_is_the_one_that_is_asked_for(accept: bytes, wanted: str) -> None:
    assert format_asked(accept) == wanted
