"""The engine: compile definitions into a plan, then step batches of events through it. No input or output, no clock."""

from adjudge.engine.batch import Batch, Marks, State
from adjudge.engine.compile import LATENESS, SECRET, compile
from adjudge.engine.decision import Decision, Decisions, Reason
from adjudge.engine.plan import Plan
from adjudge.engine.read import CatalogueRow, catalogue
from adjudge.engine.scorer import Scorer, Scores
from adjudge.engine.step import step

__all__ = [
    "LATENESS",
    "SECRET",
    "Batch",
    "CatalogueRow",
    "Decision",
    "Decisions",
    "Marks",
    "Plan",
    "Reason",
    "Scorer",
    "Scores",
    "State",
    "catalogue",
    "compile",
    "step",
]
