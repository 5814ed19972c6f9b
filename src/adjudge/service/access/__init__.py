"""Who may do what: credentials become principals, principals have scopes, routes ask for one.

API keys and approvals are projections of the log's management entries; there is no second store. Import from the
modules: a service without OIDC then loads no cryptography.
"""
