"""Whether a provider may have accepted a request. What it may have accepted is never sent again, nor to another AI.

| what happened                                              | accepted?            | because                             |
| ---------------------------------------------------------- | -------------------- | ----------------------------------- |
| no connection: refused, DNS, TLS, proxy, connect timeout   | no                   | nothing was sent                    |
| the connection broke or went silent after it was made      | perhaps              | the answer may be on its way        |
| 4xx, also 429                                              | no                   | the request was looked at, refused  |
| 408                                                        | perhaps              | gateways say so of what ran too long |
| 500, 502 with the provider's own error object              | no                   | it says itself that it failed       |
| 500, 502 with anything else, 501, 504, 505 to 519, 520 to 528, 530 and up | perhaps | a gateway knows nothing of what stands behind it |
| 503, 529                                                   | no                   | RFC 9110 15.6.4: unable to handle it |
| 503 that speaks of a connection lost behind it             | perhaps              | Envoy says so of requests it passed on |
| any error inside a 200                                     | perhaps              | the 200 was the acceptance          |
| an answer that cannot be read, or is not whole             | yes                  | it was written                      |
"""  # noqa: E501 - a table

from __future__ import annotations

import re

import httpx2

_BEHIND = re.compile(r"upstream|reset before headers|disconnect|connection (?:termination|reset)|timed? ?out", re.I)
_NEVER_REACHED = re.compile(
    r"connection (?:failure|refused)|overflow|no healthy upstream|connect(?:ion)? timeout", re.I
)


def status_accepted(status: int, words: str = "", *, inside_200: bool = False, own_words: bool = True) -> bool:
    """Whether a request that was answered with *status* may have been accepted.

    Args:
        words: What was said beside it.
        inside_200: The error came in a stream or a body that began as an answer.
        own_words: It was said in an error object of the provider, not in a gateway's page.
    """
    if inside_200 or status == 408:
        return True
    if status < 500 or status == 529:
        return False
    if status == 503:
        return bool(_BEHIND.search(words)) and not _NEVER_REACHED.search(words)
    return not (status in (500, 502) and own_words)


def transport_accepted(error: httpx2.HTTPError) -> bool:
    """Whether a request whose connection failed with *error* may have been accepted."""
    unsent = (
        httpx2.ConnectTimeout,
        httpx2.PoolTimeout,
        httpx2.ConnectError,
        httpx2.UnsupportedProtocol,
        httpx2.ProxyError,
        httpx2.LocalProtocolError,
        httpx2.InvalidURL,
    )
    return not isinstance(error, unsent)
