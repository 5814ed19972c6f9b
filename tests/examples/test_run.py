"""Every example runs as a script and prints what it promises."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

PROMISES = {
    "01_first_decision.py": [
        "p3  review    150.00 is 6.0 times the usual 25.00.",
        "p6  review    3 payments within an hour before this one.",
        "p7  block     The card was reported stolen.",
    ],
    "02_rules_and_trees.py": ["payments decided", "rules that fired: {'amount_anomalous'", "log-odds"],
    "03_score_families.py": [
        "velocity   x 0.25",
        "behaviour  x 0.35",
        "merchant   x 0.20",
        "geography  x 0.20",
    ],
    "04_risk_bands.py": ["0 to  30  approve", "31 to  70  verify", "71 to  85  step_up", "86 to 100  block"],
    "05_same_bits.py": ["batches of     7, 2 thread(s)", "the same bits"],
}
"""Parts of what each example prints."""


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_an_example_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    printed = capsys.readouterr().out
    for part in PROMISES[name]:
        assert part in printed


def test_an_example_is_short_and_says_how_to_run_it() -> None:
    for path in EXAMPLES.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 120, path.name
        assert f"``python examples/{path.name}``" in text
