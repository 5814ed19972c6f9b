"""Champion and challengers: what runs beside a system, in its shadow or on a share of its events.

A challenger is a whole version of a system over the same histories. Whatever it may decide stands in the activation, so
the log says of every event who decided it.
"""
