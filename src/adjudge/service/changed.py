"""What becomes known about an event after it came."""

from __future__ import annotations

from dataclasses import dataclass

from adjudge.log import Kind


@dataclass(frozen=True)
class Change:
    """Something that became known about an event, or its retraction.

    Parameters
    ----------
    kind
        Label, outcome or retraction.
    stream, id
        The event.
    name
        The label or outcome; empty for a retraction.
    value
        1 for positive, 0 for negative; 1 where a value is said.
    text
        The value that is said of an outcome that has values; empty for all else.
    """

    kind: Kind
    stream: str
    id: str
    name: str = ""
    value: float = 0.0
    text: str = ""

    @classmethod
    def saying(cls, kind: Kind, stream: str, id_: str, name: str, value: bool | str) -> Change:
        """Return what sets a label or outcome of an event: to true or false, or to one of its values."""
        return (
            cls(kind, stream, id_, name, 1.0, value)
            if isinstance(value, str)
            else cls(kind, stream, id_, name, float(value))
        )

    def is_like(self, other: Change) -> bool:
        """Whether it says the same kind of thing of the same stream, so that the two can be folded as one."""
        mine, theirs = (self.kind, self.stream, self.name), (other.kind, other.stream, other.name)
        return mine == theirs and bool(self.text) == bool(other.text)
