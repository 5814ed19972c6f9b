"""The decider: it decides, labels, corrects and reads, one thread at a time, over one log and the state built of it."""

from adjudge.service.decider.decider import Decider

__all__ = ["Decider"]
