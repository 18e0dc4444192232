"""The documents' code runs: every page's blocks in their order, those that import PyTorch where it is installed."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "docs/python.md", *sorted((ROOT / "docs/python").glob("*.md")), ROOT / "README.md", ROOT / "bindings/st-py/README.md"]


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def test_there_are_pages():
    assert len(PAGES) == 9 and sum(len(blocks(page)) for page in PAGES) >= 15


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_of_a_page(page):
    names = {}
    for number, block in enumerate(blocks(page)):
        if "import torch" not in block:
            exec(compile(block, f"{page.name}, block {number}", "exec"), names)


@pytest.mark.parametrize("page", [page for page in PAGES if "import torch" in page.read_text()], ids=lambda page: page.name)
def test_code_with_torch(page):
    pytest.importorskip("torch")
    for number, block in enumerate(blocks(page)):
        if "import torch" in block:
            exec(compile(block, f"{page.name}, block {number}", "exec"), {})


def test_the_docstring_s_example():
    import doctest

    import numpy as np
    import spiraltorch as st

    with np.printoptions(legacy=False):
        assert doctest.testmod(st).failed == 0
