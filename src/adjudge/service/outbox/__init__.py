"""The outbox: decisions leave the log as signed webhooks, at least once and in order for each key.

It is a projection of the log. What it keeps is how far each endpoint has come and what it still owes; losing that loses
no decision, for all of them are in the log.
"""
