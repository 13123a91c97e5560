"""Inputs that lie outside the repository: the streaming guide and real market bars, in the folder DROPCOPY_SPEC."""

import os
from pathlib import Path

import pytest


def spec_file(name: str) -> Path:
    """A file of the folder, such as `data/EURUSD_hourly.csv`; skips the test where the folder is not named."""
    folder = os.environ.get("DROPCOPY_SPEC")
    if not folder:
        if os.environ.get("DROPCOPY_REQUIRE_SPEC"):
            pytest.fail("DROPCOPY_SPEC is required here and not set")
        pytest.skip("DROPCOPY_SPEC names no folder with the guide and the bars")
    path = Path(folder) / name
    assert path.is_file(), f"{name} is missing in the folder that DROPCOPY_SPEC names"
    return path
