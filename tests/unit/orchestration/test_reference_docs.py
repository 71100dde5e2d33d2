from __future__ import annotations

from orchestration.reference_docs import REFERENCE, render


def test_the_reference_says_what_contracts_and_models_say() -> None:
    """If this fails, `python -m orchestration.reference_docs` writes the pages anew."""
    pages = {str(page.relative_to(REFERENCE)): page.read_text(encoding="utf-8") for page in REFERENCE.rglob("*.md")}
    rendered = render()
    assert pages.keys() == rendered.keys()
    assert [path for path, text in rendered.items() if pages[path] != text] == []


def test_no_page_has_an_empty_cell_where_a_meaning_belongs() -> None:
    for path, text in render().items():
        rows = [line for line in text.splitlines() if line.startswith("| `")]
        assert rows or path == "README.md", path
        assert [row for row in rows if row.rstrip(" |").endswith("|") or row.endswith("|  |")] == [], path
