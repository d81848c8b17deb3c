"""The world of the advisories."""

from __future__ import annotations

import pytest

from tests.advisories.given import SIGNED
from tests.shop import Shop


@pytest.fixture
def shop() -> Shop:
    """Return a world whose rule asks for a signature by the release pipeline."""
    return Shop(require=SIGNED)
