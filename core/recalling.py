"""The section `memory` of credentials.json: by what is searched what was said, and how much of it goes along."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from core.sections import Strict

STATIC, MINILM, NONE = "static", "minilm", "none"


class MemoryConfig(Strict):
    """`memory`. Nothing of it needs to be there."""

    embedder: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,199}$")] = STATIC
    """What tells which texts mean the same: `static`, `minilm`, `none` for words alone, or an AI with a model that
    makes embeddings, such as `openai/text-embedding-3-small`."""
    index: Literal["here", "chroma", "postgres"] | None = None
    """Where its vectors are; None: with Chroma where CHROMA_URL names one, in the database of MOOT_STORE, or here."""
    tokens: Annotated[int, Field(ge=0, le=100_000)] = 2_000
    """What is recalled for one question at most; 0: nothing is."""
