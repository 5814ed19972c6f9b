"""Personal data: readable values under a key per person, outside the log, so that destroying the key erases them.

The log is append-only and its chain covers what it holds; what can be destroyed is therefore never in it. A body keeps
the values of personal fields as one sealed text (`seal`), the keys are in a store of their own (`keys`, `sqlite`,
`postgres`), and erasing a person is an entry of the log that drops the histories of that person (`erasure`).
"""
