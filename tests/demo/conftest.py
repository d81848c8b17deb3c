"""A plain HTTP client for the loopback registry."""

from collections.abc import AsyncIterator

import aiohttp
import pytest


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a client that follows no environment."""
    async with aiohttp.ClientSession(trust_env=False) as client:
        yield client
