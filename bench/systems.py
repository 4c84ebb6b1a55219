"""The systems under test, each started and stopped in the same way: nginx as the limit, and the peers.

Law: a system is configured for speed where its documentation offers it (logging off, one worker), so that what we
compare against is its best.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bench.children import Child, ChildError
from bench.jobs import Job, Target
from bench.measure import tree
from bench.workshop import CACHE, ROOT, Workshop, output_of

_REQUIREMENTS = ROOT / "requirements" / "bench"
_CLIENT_KEY = "sk-bench-client"
_INSTALL_SECONDS = 300
MODEL = "mistral-small-latest"


class Road(StrEnum):
    """A way through a system."""

    RELAY = "relay"
    STREAM = "stream"
    ADAPT = "adapt"
    TRANSLATE = "translate"


class Unavailable(Exception):
    """A system cannot be measured here; the message says why."""


@dataclass
class Running:
    """A started system: its ways in, its processes, how to end it."""

    name: str
    version: str
    roads: Mapping[Road, Target]
    process: Child
    pids: Callable[[], list[int]]  # those whose CPU and memory count
    stop: Callable[[], None]

    def finish(self) -> None:
        """Wait until nothing is left to do of the calls that were answered, so that it takes no CPU from the next."""


def mistral_headers(key: str) -> dict[str, str]:
    """Return the headers that Mistral's Python SDK sends, in their order; every system gets them on the relay road."""
    return {
        "accept-encoding": "gzip, deflate",
        "connection": "keep-alive",
        "accept": "application/json",
        "user-agent": "mistral-client-python/2.1.0",
        "authorization": f"Bearer {key}",
        "content-type": "application/json",
    }


def start_nginx(shop: Workshop, *, tls: bool = False) -> Running:
    """Start nginx as a plain reverse proxy in a single process."""
    binary = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if binary is None:
        raise Unavailable("nginx is not installed (Debian: apt-get install nginx-light)")
    ports = shop.free_port(), shop.free_port()
    folder = fresh_folder(shop, "nginx", tls=tls)
    config = folder / "nginx.conf"
    config.write_text(_nginx_config(shop, folder, ports, tls=tls))
    log = str(folder / "error.log")
    process = shop.children.start(
        label("nginx", tls=tls), [binary, "-e", log, "-c", str(config)], cpus=shop.system_cpus, chatty=True
    )
    plain, unbuffered = (
        Target("nginx", port, "/v1/chat/completions", MODEL, mistral_headers(_CLIENT_KEY), exact=True) for port in ports
    )
    running = Running(
        "nginx",
        output_of(binary, "-v").rpartition("/")[2],
        {Road.RELAY: plain, Road.STREAM: unbuffered},
        process,
        lambda: [process.pid],
        lambda: shop.children.stop(process),
    )
    return ready(shop, running, 10)


def _nginx_config(shop: Workshop, folder: Path, ports: tuple[int, int], *, tls: bool) -> str:
    upstream_port = shop.upstream_tls_port if tls else shop.upstream_port
    scheme = "https" if tls else "http"
    server = """
      server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
          proxy_pass {scheme}://upstream;
          proxy_http_version 1.1;
          proxy_set_header Connection "";
          proxy_set_header Host localhost;
          proxy_set_header Authorization "Bearer upstream";
          proxy_buffering {buffering};
          proxy_ssl_verify on;
          proxy_ssl_name localhost;
          proxy_ssl_trusted_certificate {authority};
        }}
      }}"""
    servers = "".join(
        server.format(port=port, scheme=scheme, buffering=buffering, authority=shop.authority)
        for port, buffering in zip(ports, ("on", "off"), strict=True)
    )
    temporary = "\n".join(
        f"      {kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
    daemon off;
    master_process off;
    pid {folder}/nginx.pid;
    error_log {folder}/error.log crit;
    events {{ worker_connections 8192; }}
    http {{
      access_log off;
      keepalive_requests 1000000000;
      client_max_body_size 64m;
      client_body_buffer_size 2m;
{temporary}
      upstream upstream {{
        server 127.0.0.1:{upstream_port};
        keepalive 2048;
        keepalive_requests 1000000000;
      }}{servers}
    }}
    """


def start_respan(shop: Workshop, *, tls: bool = False) -> Running:
    """Start respan-gateway from PyPI, with its request lines and its web UI off."""
    folder = fresh_folder(shop, "respan", tls=tls)
    binary = _installed(shop, "respan") / "respan-gateway"
    port = shop.free_port()
    network = f'[network]\nca = "{shop.authority}"\n' if tls else ""
    (folder / "gateway.toml").write_text(
        f'listen = "127.0.0.1:{port}"\nclient_keys = ["{_CLIENT_KEY}"]\nlog = "off"\nui = false\n{network}'
        f'[providers.mock]\nformats = ["openai-chat"]\nbase_url = "{shop.upstream_url(tls=tls)}/v1"\nkey = "upstream"\n'
    )
    name = label("respan-gateway", tls=tls)
    process = shop.children.start(
        name, [str(binary), "-c", str(folder / "gateway.toml")], cpus=shop.system_cpus, chatty=True
    )
    target = Target("respan-gateway", port, "/v1/chat/completions", MODEL, mistral_headers(_CLIENT_KEY))
    running = Running(
        "respan-gateway",
        output_of(str(binary), "--version").rpartition(" ")[2],
        {Road.RELAY: target, Road.STREAM: target},
        process,
        lambda: tree(process.pid),
        lambda: shop.children.stop(process),
    )
    return ready(shop, running, 20)


def start_litellm(shop: Workshop) -> Running:
    """Start LiteLLM's proxy with one worker, no database and its logging at errors only."""
    folder = fresh_folder(shop, "litellm", tls=False)
    binaries = _installed(shop, "litellm")
    port = shop.free_port()
    (folder / "config.yaml").write_text(
        f"model_list:\n  - model_name: {MODEL}\n    litellm_params:\n      model: openai/{MODEL}\n"
        f"      api_base: {shop.upstream_url(tls=False)}/v1\n      api_key: upstream\n"
        f"general_settings:\n  master_key: {_CLIENT_KEY}\n"
    )
    argv = ["litellm", "--config", str(folder / "config.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    argv[0] = str(binaries / argv[0])
    environment = {
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_TELEMETRY": "False",
        "LITELLM_MODE": "PRODUCTION",
    }
    process = shop.children.start(
        "litellm", [*argv, "--num_workers", "1"], cpus=shop.system_cpus, environment=environment, chatty=True
    )
    headers = mistral_headers(_CLIENT_KEY)
    del headers["accept-encoding"]  # it would compress, and the others do not
    target = Target("LiteLLM", port, "/v1/chat/completions", MODEL, headers)
    python = str(binaries / "python")
    version = output_of(python, "-c", "import importlib.metadata as m; print(m.version('litellm'))")
    running = Running(
        "LiteLLM",
        version,
        {Road.RELAY: target, Road.STREAM: target},
        process,
        lambda: tree(process.pid),
        lambda: shop.children.stop(process),
    )
    return ready(shop, running, 120)


def _installed(shop: Workshop, name: str) -> Path:
    """Return the folder of binaries of a peer's own virtual environment, made when it is not there."""
    home = CACHE / name
    pins = _REQUIREMENTS / f"{name}.txt"
    stamp = home / ".pins"
    if not stamp.exists() or stamp.read_text() != pins.read_text():
        shutil.rmtree(home, ignore_errors=True)
        python = str(home / "bin" / "python")
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        for argv in ([sys.executable, "-m", "venv", str(home)], [*pip, "--requirement", str(pins)]):
            try:
                shop.children.run(f"install {name}", argv, cpus=shop.bench_cpus, seconds=_INSTALL_SECONDS)
            except ChildError as error:
                raise Unavailable(f"cannot be installed: {error}") from error
        stamp.write_text(pins.read_text())
    return home / "bin"


def fresh_folder(shop: Workshop, name: str, *, tls: bool) -> Path:
    """Return an empty folder for a system."""
    folder = shop.folder / label(name, tls=tls).replace(" ", "-")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def label(name: str, *, tls: bool) -> str:
    return f"{name} tls" if tls else name


def ready(shop: Workshop, running: Running, seconds: float) -> Running:
    """Call a system until it answers rightly."""
    deadline = time.monotonic() + seconds
    while True:
        if running.process.process.poll() is not None:
            raise Unavailable(f"{running.name} ended at once. {running.process.last_words()}")
        try:
            result = shop.perform(Job(targets=[running.roads[Road.RELAY]], calls=1))[0]
            if result.failures == 0:
                return running
            fault = result.first_failure
        except ChildError as error:
            raise Unavailable(str(error)) from error
        if time.monotonic() > deadline:
            running.stop()
            raise Unavailable(f"{running.name} did not answer within {seconds:.0f} s: {fault}")
        time.sleep(0.05)
