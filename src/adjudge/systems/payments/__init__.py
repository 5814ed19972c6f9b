"""Payment fraud: approve, verify, step up, review or block a payment."""
