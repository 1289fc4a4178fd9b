"""The papers' tables are made from records, name the runs, and say how the papers' numbers were checked."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import papers
import pytest

from gencourse.studies import RESULTS, STUDIES, read

ROOT = Path(__file__).resolve().parents[2]
FACTS = {"preset": "book", "device": "CPU", "torch": "2", "seconds": 1.0, "date": "2026-01-01"}


def record(folder: Path, study: str, rows: list[dict]) -> None:
    (folder / f"{study}.json").write_text(json.dumps([{**row, **FACTS} for row in rows]))


@pytest.mark.parametrize("table", papers.TABLES, ids=lambda table: table.title)
def test_a_table_says_what_its_numbers_were_checked_against_and_which_runs_made_ours(
    table: papers.Table, tmp_path: Path
) -> None:
    assert table.checked in (papers.READ, papers.QUOTED, papers.UNCHECKED)
    assert table.studies and set(table.studies) <= set(STUDIES) and table.why
    text = papers.rendered(table, tmp_path)
    assert table.checked in text and "{cite}`" in text
    assert all(f"`gencourse reproduce {name}`" in text for name in table.studies)


@pytest.mark.parametrize("table", papers.TABLES, ids=lambda table: table.title)
def test_without_records_every_row_says_that_nothing_was_run(table: papers.Table, tmp_path: Path) -> None:
    assert all(papers.EMPTY in line.here(tmp_path) for line in table.lines)


@pytest.mark.parametrize("table", papers.TABLES, ids=lambda table: table.title)
def test_a_row_reads_a_setting_that_its_study_has(
    table: papers.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt setting would wait for a run that cannot come."""
    asked: list[tuple[str, dict]] = []

    def listen(folder: Path, study: str, name: str, **wanted: object) -> list[float]:
        asked.append((study, wanted))
        return []

    monkeypatch.setattr(papers, "values", listen)
    for line in table.lines:
        line.here(tmp_path)
    assert {study for study, _ in asked} == set(table.studies)
    for study, wanted in asked:
        assert any(wanted.items() <= settings.items() for settings in STUDIES[study].settings), (
            study,
            wanted,
        )


def test_a_summary_has_mean_spread_and_number_of_seeds() -> None:
    assert papers.summary([1.0, 2.0, 6.0], 1, " %") == "3.0 (1.0 to 6.0) %, 3 seeds"
    assert papers.summary([1.25], 2) == "1.25, one seed"
    assert papers.summary([], 2) == papers.EMPTY


def test_our_column_follows_the_record(tmp_path: Path) -> None:
    (table,) = (one for one in papers.TABLES if "parzen" in one.studies)
    rows = [{"source": "AAE", "seed": seed, "nats": 100.0 + seed, "nats_wider": 90.0} for seed in range(3)]
    record(tmp_path, "parzen", rows)
    text = papers.rendered(table, tmp_path)
    assert "| AAE | 340 ± 2 | 101 (100 to 102), 3 seeds |" in text
    assert f"| GAN | 225 ± 2 | {papers.EMPTY} |" in text


def test_the_curves_follow_the_record(tmp_path: Path) -> None:
    folder = tmp_path / RESULTS.relative_to(ROOT)
    folder.mkdir(parents=True)
    errors = {f"error_{quarter}": 0.5 - 0.1 * quarter for quarter in (1, 2, 3, 4)}
    settings = STUDIES["few_labels_long"].settings[0]
    record(folder, "few_labels_long", [{**settings, "passes": 24.0, **errors}])
    text = papers.curves(tmp_path)
    table = text.split("`few_labels_long`: error in %\n\n")[1].split("\n\n")[0]
    assert "| 100 | 24 | 40.0 | 30.0 | 20.0 | 10.0 | 1 |" in table
    assert f"| 1000 | – | – | – | – | {papers.EMPTY} | 0 |" in table
    shutil.rmtree(folder)
    assert papers.curves(tmp_path).count(papers.EMPTY) == text.count(papers.EMPTY) + 1


def test_the_page_of_the_book_has_every_table_and_is_asked_for() -> None:
    text = papers.page(ROOT)
    assert re.findall(r"^## (.+)$", text, re.M) == [table.title for table in papers.TABLES]
    rows = read("code_panel")
    mean = sum(row["distance"] for row in rows if row["method"] == "VAE") / 3
    assert f"| VAE | worst | {mean:.0f} (" in text
    source = (ROOT / "book" / "papers.md").read_text(encoding="utf-8")
    assert "<!-- generated: papers -->" in source and "<!-- generated: curves -->" in source
