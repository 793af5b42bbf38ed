"""Settings for all tests: those of Hypothesis, how threads wait, how the process takes Ctrl-C."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

# Asserts of helper modules then say what they compared, like those of tests.
pytest.register_assert_rewrite(
    "helpers", "mpi_cases", "network_cases", "checkpoint_runs", "solutions"
)


# A shell without job control starts commands in the background with SIGINT ignored, and so do their
# children: tests that interrupt would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# OpenMP reads this when kanml is first imported. Threads that wait actively keep others from
# working where processors are shared, and the suite then takes several times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# No deadline: a shared machine may stop for a second and nothing is wrong. In CI the same
# examples are drawn each time, so that a failure there belongs to the change under test.
settings.register_profile("default", deadline=None, max_examples=60)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_addoption(parser):
    parser.addoption("--device", default="block-host", help="what tests/devices tests")
    parser.addoption("--on-device", action="store_true", help="evaluate all networks there")


def pytest_configure(config):
    if not config.getoption("--on-device"):
        return
    from kanml.devices import find
    from kanml.network.architecture import Architecture

    core, default = Architecture.core, find(config.getoption("--device"))

    def on_device(self, dtype, device=None):
        core(self, dtype)  # which refuses what does not fit the dtype
        return core(self, dtype, device or default)

    Architecture.core = on_device
