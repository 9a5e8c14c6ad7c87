"""A process without goama, for the tests of folders that transformers alone must open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.model.clean_process import CleanProcess, clean_process


@pytest.fixture(scope="session")
def without_goama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CleanProcess]:
    with clean_process(tmp_path_factory.mktemp("without-goama")) as process:
        yield process
