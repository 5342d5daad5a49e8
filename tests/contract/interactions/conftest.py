"""A door without rules or consequences on each of the two databases."""

from __future__ import annotations

import pytest

from gateway.interactions.door import Door
from gateway.store.sql import SqlStore


@pytest.fixture
def door(store: SqlStore) -> Door:
    return Door(store)
