"""What if: the same events as they were decided and as something else decides them, both worlds in the same money.

Both are judged by the labels there are. A label is there where an event took place: what was stopped has none, so what
letting it through would have cost is in neither world's figures. That is counted and said, and where a random part of
it was let through all the same, the estimate from that part stands beside.
"""
