"""Methods of services that a test calls directly are called by an admin, unless the test says by whom."""

import pytest

from aggregator.rpc.caller import Caller, become


@pytest.fixture(autouse=True)
def calling_admin() -> None:
    """What the interceptor would have found out about the key."""
    become(Caller(key_name="test-admin", role="admin"))
