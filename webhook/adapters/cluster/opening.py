"""Opens a connection to an API server; what is wrong with its configuration is said before anything is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from webhook.adapters.cluster.access import Access, AccessKeeper, obtain_access
from webhook.adapters.cluster.api_server import WATCH_PATIENCE_SECONDS, ApiServerCluster
from webhook.adapters.cluster.flags import ClusterFlags
from webhook.adapters.cluster.target import SERVICE_ACCOUNT, find_target
from webhook.adapters.cluster.transport import Sleep, Transport
from webhook.adapters.registry.options import Proxies
from webhook.ports import Clock

__all__ = ["open_api_server"]


@asynccontextmanager
async def open_api_server(
    flags: ClusterFlags,
    *,
    environment: Mapping[str, str],
    proxies: Proxies,
    clock: Clock,
    service_account: Path = SERVICE_ACCOUNT,
    sleep: Sleep = asyncio.sleep,
    watch_patience_seconds: float = WATCH_PATIENCE_SECONDS,
) -> AsyncIterator[ApiServerCluster]:
    """Find out which server is asked and as whom, and yield it; nothing has been asked yet.

    Raises DocumentError or ParseError: no kubeconfig, a context that is not there, a file that cannot be used, a
    plugin that fails.
    """
    target = find_target(flags, environment, service_account=service_account)

    def obtain(now: datetime) -> Access:
        return obtain_access(target, environment=environment, now=now)

    keeper = AccessKeeper(obtain, clock=clock)
    await keeper.current()
    transport = Transport(
        target=target,
        keeper=keeper,
        proxies=proxies,
        request_seconds=flags.request_seconds,
        clock=clock,
        sleep=sleep,
    )
    async with transport:
        yield ApiServerCluster(
            transport, default_namespace=target.namespace, watch_patience_seconds=watch_patience_seconds
        )
