"""The console: pages for people, in front of the very functions that the API has.

A page reads through `Desk.read` and does something through `Desk.act`; both ask the guard of the API first, each time,
with the credential that its reader has signed in with. There is no other way from a page to the service, no rule here
that is not the service's, and nothing is kept: whoever reloads a page sees what is true.
"""
