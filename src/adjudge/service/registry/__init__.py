"""The registry: what was made, on what evidence, who approved it, and where it decides. It is a projection of the log.

A bundle or a rule set is named by the hash of its content, in every environment the same. Nothing is put in force by it
that has no evidence, or that nobody has approved where somebody must.
"""
