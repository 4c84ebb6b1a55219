"""The dialler of a loop of the clerk's, by the operator's settings: its proxy, its certificates."""

import asyncio
import ssl
from typing import Final

from gantry.dial.origin import ProxyRules
from gantry.dial.pool import Dialler, PoolLimits
from gantry.settings import ServeSettings

_IDLE_SECONDS: Final = 10.0  # of a connection: what the clerk sends comes in bursts
_AGE_SECONDS: Final = 120.0


def open_dialler(loop: asyncio.AbstractEventLoop, settings: ServeSettings, connections: int) -> Dialler:
    bundle = settings.ca_bundle
    return Dialler(
        loop,
        tls=ssl.create_default_context(cafile=None if bundle is None else str(bundle)),
        proxies=ProxyRules(https=settings.upstream_proxy, bypass=tuple(filter(None, settings.no_proxy.split(",")))),
        limits=PoolLimits(connections=connections, idle=_IDLE_SECONDS, age=_AGE_SECONDS),
    )
