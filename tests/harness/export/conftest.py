"""A home for exports, made once."""

from pathlib import Path

import pytest
from exporting import make_home


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("export"))
