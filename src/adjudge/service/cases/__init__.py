"""Review work: a case is a decision that a person looks at, and what is known of it is a fold over the log.

A decision with a review action opens one, entries assign, note and decide it, a label of its event closes it. Nothing
else is kept: the book of cases follows the log beside the decider, so that deciding never waits for it, and whoever
folds the log again has the same cases in the same states.
"""
