"""What is said of an option that nobody knows: the one that was meant, or where a field of the provider's own goes."""

from __future__ import annotations

from collections.abc import Collection, Iterable


def check_options(given: Iterable[str], known: Collection[str], where: str, *, otherwise: str = "") -> None:
    """Raise for the first of *given* that is not *known*.

    Args:
        where: What was called, such as `ask()`.
        otherwise: What to do where nothing similar is known; by default the options are listed.

    Raises:
        TypeError: With the option that was probably meant.
    """
    for name in given:
        if name not in known:
            raise TypeError(f"{where} has no option {name!r}. {_meant(name, known) or otherwise or _listed(known)}")


def _meant(name: str, known: Collection[str]) -> str:
    from difflib import get_close_matches  # for mistakes alone

    close = get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else ""


def _listed(known: Collection[str]) -> str:
    return f"Its options are: {', '.join(known)}." if known else "It takes none."
