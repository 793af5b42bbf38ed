"""The device under test: "block-host", unless the option --device names another."""

from __future__ import annotations

import pytest

from kanml.devices import find


@pytest.fixture(scope="session")
def device(pytestconfig):
    """Its name."""
    return pytestconfig.getoption("--device")


@pytest.fixture(scope="session")
def there(device):
    """The device itself."""
    return find(device)
