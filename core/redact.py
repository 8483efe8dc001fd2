"""Keeps keys out of everything people and models read.

Providers echo keys in 401 bodies, so text from outside is cleaned where it enters. Known secrets are replaced
exactly; strings that merely look like keys are replaced by shape.
"""

from __future__ import annotations

import re

_MASK = "[redacted]"
_SHORTEST_SECRET = 6
"""Below this length a "secret" is a placeholder such as `none`; replacing it would garble ordinary words."""

_KEY_SHAPES = re.compile(
    r"\b(?:sk|pk|rk|xai|gsk|pplx|tgp|tgp_v1|key)[-_][A-Za-z0-9_\-*.]{8,}"
    r"|\bAIza[A-Za-z0-9_\-]{20,}"
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/\-]{8,}=*"
)
_known: set[str] = set()


def register_secret(secret: str) -> None:
    """Remember *secret* so that `redact` removes it wherever it turns up."""
    if len(secret) >= _SHORTEST_SECRET:
        _known.add(secret)


def holds_known_secret(text: str) -> bool:
    """Whether one of the keys in use is in *text*."""
    return any(secret in text for secret in _known)


def redact(text: str) -> str:
    """Return *text* without known secrets and without anything shaped like an API key."""
    for secret in _known:
        if secret in text:
            text = text.replace(secret, _MASK)
    return _KEY_SHAPES.sub(_MASK, text)
