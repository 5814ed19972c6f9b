"""What if something else had decided: the log is folded once more, and another plan decides each of its events.

A counterfactual is not a second way to decide. It is the fold that replay is, with another plan: what its own decisions
set is what its later decisions see, and labels come when they came. So it equals what really deciding with it gives.
"""
