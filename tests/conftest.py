"""Hypothesis settings for all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# No deadline: a shared machine may stop for a second and nothing is wrong. In CI the same
# examples are drawn each time, so that a failure there belongs to the change under test.
settings.register_profile("default", deadline=None, max_examples=60)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")
