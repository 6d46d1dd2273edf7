"""What the code points people to is there, and newcomers find every module."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[2]
SOURCES = sorted((HERE / "detection").rglob("*.py"))
NAMED = re.compile(r"docs/([a-z_-]+\.md)(?:, “([^”]+)”)?")
PLAIN = {"__init__", "apps", "urls", "tasks"}  # as in every room


def test_every_page_and_heading_that_the_code_points_to_is_there() -> None:
    joined = [(path, path.read_text().replace('"\n            "', "")) for path in SOURCES]
    found = [(path, match) for path, text in joined for match in NAMED.finditer(text)]
    assert len(found) > 10
    for path, match in found:
        page = HERE / "docs" / match[1]
        assert page.is_file(), (path, match[0])
        headings = {line.lstrip("# ") for line in page.read_text().splitlines() if line.startswith("#")}
        assert match[2] is None or match[2] in headings, (path, match[0])


@pytest.mark.parametrize("module", sorted(path.stem for path in (HERE / "detection").glob("*.py")))
def test_every_module_stands_in_the_table_by_purpose(module: str) -> None:
    _, _, table = (HERE / "docs" / "detection.md").read_text().partition("## Where things are")
    assert module in PLAIN or f"`{module}.py`" in table
