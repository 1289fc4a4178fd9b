"""What runs on GitHub's machines is named by its content, not by a tag that somebody can move."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

WORKFLOWS = sorted((Path(__file__).parents[1] / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_hash_and_say_their_version(workflow: Path) -> None:
    text = workflow.read_text(encoding="utf-8")
    used = [line.strip() for line in text.splitlines() if "uses:" in line]
    assert used
    for line in used:
        assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_only_read_unless_a_job_says_otherwise(workflow: Path) -> None:
    made = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    assert made["permissions"] == {"contents": "read"} and made["jobs"]
