"""That asynchronous machinery cannot be used at all, as a kind of error of its own: nothing was sent."""

from __future__ import annotations

import httpx2


class UnusableClientError(httpx2.TransportError):
    """The client is closed, or its event loop is another one or none. Raised before anything is sent."""
