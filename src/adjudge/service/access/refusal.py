"""Why somebody is not let in: errors that know their status and headers, and never repeat a credential."""

from __future__ import annotations

from adjudge.errors import AccessError

REALM = 'Bearer realm="adjudge"'
"""What a client is asked to send: a bearer token, which an API key is as well."""

Headers = list[tuple[bytes, bytes]]


class RefusedError(AccessError):
    """Somebody may not do what they ask for, and this is what they are told.

    Parameters
    ----------
    message
        Why, in words that never repeat what was sent.

    Attributes
    ----------
    status, code
        Of the answer.
    headers
        What else it says.
    """

    status = 403
    code = "forbidden"

    def __init__(self, message: str, headers: Headers | None = None) -> None:
        super().__init__(message)
        self.headers: Headers = headers or []


class UnauthenticatedError(RefusedError):
    """No credential was sent, or none that is good.

    Parameters
    ----------
    message
        Why.
    sent
        Whether there was one.
    """

    status = 401
    code = "unauthenticated"

    def __init__(self, message: str, *, sent: bool) -> None:
        challenge = f'{REALM}, error="invalid_token"' if sent else REALM
        super().__init__(message, [(b"www-authenticate", challenge.encode())])


class ForbiddenError(RefusedError):
    """The credential is good, and not for this.

    Parameters
    ----------
    scope
        The scope that is missing.
    """

    def __init__(self, scope: str) -> None:
        challenge = f'{REALM}, error="insufficient_scope", scope="{scope}"'
        super().__init__(f"this needs the scope {scope!r}", [(b"www-authenticate", challenge.encode())])


class SecondPersonError(RefusedError):
    """Something needs two people, and this is the first one again.

    Parameters
    ----------
    who
        Who proposed it.
    """

    code = "second_person"

    def __init__(self, who: str) -> None:
        super().__init__(
            f"{who} has proposed this; it takes another person, with a credential that {who} has never had in hand"
        )


class IssuerAwayError(RefusedError):
    """A token cannot be checked, because its issuer cannot be asked for its keys.

    Parameters
    ----------
    retry_after_s
        When it is asked again, in seconds.
    """

    status = 503
    code = "issuer_away"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            "tokens cannot be checked now: their issuer cannot be asked for its keys",
            [(b"retry-after", b"%d" % retry_after_s)],
        )


class MisdirectedError(RefusedError):
    """A service without authentication was not asked by this machine itself."""

    status = 421
    code = "misdirected"


class RateLimitedError(RefusedError):
    """More was asked than the credential is good for.

    Parameters
    ----------
    retry_after_s
        When it is good again, in seconds.
    """

    status = 429
    code = "rate_limited"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            "more was sent than this credential is good for; Retry-After says when to come again",
            [(b"retry-after", b"%d" % retry_after_s)],
        )
