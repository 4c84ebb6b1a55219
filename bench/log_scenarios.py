"""A million logs: what questions about them take, and what asking does to calls."""

import json

from bench import figures as f
from bench.gantry import start_gantry
from bench.jobs import Job
from bench.scenarios import checked
from bench.systems import Road
from bench.traffic import Shape
from bench.workshop import Workshop

_QUESTIONS_SECONDS = 900.0
_METRICS = {"0.1": f.INDEXED_QUESTION, "0.2": f.DASHBOARD_QUESTION, "1.5": f.OTHER_QUESTION}  # by budget in seconds


def calls_among_logs(shop: Workshop, figures: f.Figures, rows: int) -> None:
    """Compare the p99 of calls while a client exports or scans the logs with the p99 without. Nothing is pinned."""
    gantry = start_gantry(shop, spread=True)
    target = gantry.roads[Road.RELAY]
    key = target.headers["authorization"].removeprefix("Bearer ")
    job = Job(targets=[target], connections=8, seconds=15, shape=Shape(delay=5000))
    gantry.wait_for_clerk(60)
    shop.helper("rows", "fill", str(gantry.home), str(rows)).read_line(900)
    for metric, disturbance in ((f.P99_QUIET, None), (f.P99_EXPORT, "export"), (f.P99_SCAN, "scan")):
        asking = shop.helper("rows", disturbance, str(target.port), key) if disturbance is not None else None
        if asking is not None:
            asking.read_line(120)
        latency = checked(shop.perform(job))[0].latency
        figures.put(metric, f.GANTRY, latency.p99 / 1e6)
        if asking is not None:
            shop.children.stop(asking)
    gantry.stop()


def questions_about_logs(shop: Workshop, figures: f.Figures, rows: int) -> None:
    """Time each kind of question: its slowest one, by the median of several times."""
    home = shop.folder / "log_queries"
    asked = shop.helper("log_queries", "--home", str(home), "--logs", str(rows), "--json")
    slowest: dict[str, float] = json.loads(asked.read_line(_QUESTIONS_SECONDS))
    for budget, metric in _METRICS.items():
        figures.put(metric, f.CONSOLE, slowest[budget] * 1000)
