"""What the `crash` benchmark and its test share: a system, clients that retry, a service to kill, and the accounts."""
