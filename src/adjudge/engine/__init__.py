"""The engine: compile definitions into a plan, then step batches of events through it. No input or output, no clock."""

from adjudge.engine.again import decide_again
from adjudge.engine.batch import Batch, Marks, State
from adjudge.engine.compile import LATENESS, SECRET, compile
from adjudge.engine.decision import Decision, Decisions, Reason
from adjudge.engine.layers import TAKEN, Guard, Guarded, Layer, Replayed
from adjudge.engine.plan import Plan
from adjudge.engine.read import CatalogueRow, catalogue
from adjudge.engine.scorer import Scorer, Scores
from adjudge.engine.step import step
from adjudge.engine.watch import Breaker, Budget, Watch

__all__ = [
    "LATENESS",
    "SECRET",
    "TAKEN",
    "Batch",
    "Breaker",
    "Budget",
    "CatalogueRow",
    "Decision",
    "Decisions",
    "Guard",
    "Guarded",
    "Layer",
    "Marks",
    "Plan",
    "Reason",
    "Replayed",
    "Scorer",
    "Scores",
    "State",
    "Watch",
    "catalogue",
    "compile",
    "decide_again",
    "step",
]
