"""The client against the real service, over transports that lose, delay and refuse."""
