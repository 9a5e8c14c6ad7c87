"""The planted corpus of benchmarks/planted_defects.py, audited once for all tests of this room."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from goama.audit.audit import audit
from goama.audit.findings import Audit
from goama.sources.source import read_source


@pytest.fixture(scope="session")
def planting() -> ModuleType:
    """benchmarks/planted_defects.py."""
    return _benchmark("planted_defects")


@pytest.fixture(scope="session")
def planting_annotations(planting: ModuleType) -> ModuleType:
    """benchmarks/planted_annotations.py."""
    return _benchmark("planted_annotations")


def _benchmark(name: str) -> ModuleType:
    file = Path(__file__).parents[2] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def planted(planting: ModuleType, speech: Path, tmp_path_factory: pytest.TempPathFactory):
    return planting.plant(speech, tmp_path_factory.mktemp("planted") / "speech")


@pytest.fixture(scope="session")
def planted_audit(planted, tiny_encoder: Path) -> Audit:
    source = str(planted.folder)
    return audit(read_source(source), source=source, language="nl", encoder=str(tiny_encoder))
