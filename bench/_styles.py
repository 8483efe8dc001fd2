"""Six ways in which AIs give an answer, each with a marker and without, and what a referee makes of the latter."""

from __future__ import annotations

import json
import random
import re

_CONCLUDES = re.compile(r"which brings me to (.+?) in the end, by all that was said")

STYLES = ("line", "heading", "list", "json", "sentence", "aloud")
"""The last marks nothing at all: only who reads it knows what it comes to."""


def written(form: str, style: str, *, marked: bool, rng: random.Random) -> str:
    """An answer of *form* with reasons, in one of `STYLES`."""
    reasons = f"First we look at case {rng.random():.3f}. Then we weigh 17 against 23, as B would."
    return f"{reasons}\n{_marked(form, style)}" if marked else f"{reasons} {_unmarked(form, style)}"


def _marked(form: str, style: str) -> str:
    return {
        "line": f"ANSWER: {form}",
        "heading": f"\n### Final answer\n\n{form}\n",
        "list": f"- **Confidence**: 80\n- **Answer**: {form}",
        "json": f"```json\n{json.dumps({'answer': form, 'confidence': 80})}\n```",
        "sentence": f"**Answer: {form}**",
        "aloud": f"| Answer | Confidence |\n|---|---|\n| {form} | 80 |",
    }[style]


def _unmarked(form: str, style: str) -> str:
    return {
        "line": f"\nThe answer is {form}.",
        "heading": f"\nSo the final answer is: {form}",
        "list": f"\n#### {form}",
        "json": f"\nAll in all, the correct answer is **{form}**.",
        "sentence": f"\nI think the answer is {form}.",
        "aloud": f"That is, which brings me to {form} in the end, by all that was said. Let us go on from here.",
    }[style]


def conclusion(text: str) -> str | None:
    """What a reader makes of a text that marks nothing."""
    match = _CONCLUDES.search(text)
    return match[1] if match else None
