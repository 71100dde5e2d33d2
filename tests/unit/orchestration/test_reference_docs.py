from __future__ import annotations

from orchestration.reference_docs import REFERENCE, render, written_pages


def test_the_reference_says_what_contracts_and_models_say() -> None:
    """If this fails, `python -m orchestration.reference_docs` writes the pages anew."""
    pages = {str(page.relative_to(REFERENCE)): page.read_text(encoding="utf-8") for page in written_pages()}
    rendered = render()
    assert pages.keys() == rendered.keys()
    assert [path for path, text in rendered.items() if pages[path] != text] == []


def test_no_page_has_an_empty_cell_where_a_meaning_belongs() -> None:
    for path, text in render().items():
        rows = [line for line in text.splitlines() if line.startswith("| `")]
        assert rows or path == "README.md", path
        assert [row for row in rows if row.rstrip(" |").endswith("|") or row.endswith("|  |")] == [], path


def test_an_analyst_finds_which_funnels_there_are() -> None:
    """They stood in the seed alone, which analysts do not have."""
    pages = render()
    row = (
        "| `recommendation` | recommendation | `tap` → `start` → `complete` | `abandon` | 24 h | "
        "`child_id` + `recommendation_id` |\n"
    )
    assert row in pages["marts/funnel_attempts.md"].partition("\n## Funnels\n")[2]
    assert "(funnel_attempts.md#funnels)" in pages["marts/funnel_daily.md"]


def test_a_mart_tells_who_answers_for_it_and_who_uses_it() -> None:
    """The page had the owner's name without an address, and a use by its label without a word on what it is."""
    pages = render()
    assert "| owner | Funnel data (<funnel-data@daybook.example>) |\n" in pages["marts/funnel_daily.md"]
    assert "| used by | [Product funnels](../README.md#who-uses-them) |\n" in pages["marts/funnel_daily.md"]
    uses = pages["README.md"].partition("\n## Who uses them\n")[2].partition("\n## ")[0]
    (use,) = [line for line in uses.splitlines() if line.startswith("| Product funnels |")]
    assert "How far learners get" in use
    assert "[funnel_daily](marts/funnel_daily.md)" in use
    assert "Product analytics (<product-analytics@daybook.example>)" in use


def test_a_mart_links_the_marts_that_it_is_made_of() -> None:
    made_of = "| made of | [chapter_daily_stats](chapter_daily_stats.md), `int_textbook__events` |\n"
    assert made_of in render()["marts/error_daily_stats.md"]


def test_checks_say_whether_they_block() -> None:
    """All looked alike, the alerts stated a failure as if it held, and the check of shared sessions was nowhere."""
    pages = render()
    sessions = pages["marts/study_sessions.md"]
    assert "| sessions_have_one_user | warning | Warns where more than one user " in sessions
    assert "| session_times_are_consistent | blocking | " in sessions
    warnings = [line for page in pages.values() for line in page.splitlines() if " | warning | " in line]
    assert [line for line in warnings if "_alert |" in line and "| Warns where" not in line] == []
    assert "| books_balance | blocking | " in pages["marts/event_ledger.md"]


def test_columns_that_are_never_null_say_so() -> None:
    """By a condition, or as a part of the key; of others their meaning tells."""
    columns = render()["marts/weekly_user_stats.md"]
    assert "| `user_id` | string | never | " in columns
    assert "| `is_complete_week` | boolean | never | " in columns
    assert "| `accuracy` | double |  | " in columns
