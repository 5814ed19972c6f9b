"""Parts that several pages share: each is a function from plain data to markup, and asks nothing of the service."""
