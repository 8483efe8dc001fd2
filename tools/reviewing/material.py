"""What a review is about: read once, without what is secret, generated or too much, and cut into parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import anyio.to_thread

from ai.runs.run import Run
from core.changes.from_git import git_changes
from core.changes.source import Source, applies, parse_diff, whole, why_generated
from core.errors import InvalidInputError
from core.files.workspace import FileRefusedError, Workspace
from core.secrecy.names import named_like_a_secret
from core.usage.tokens import text_tokens

_PART_CHARS = 100_000
"""About 25,000 tokens: what reviewers read with care; longer prompts lose the middle."""


@dataclass
class Material:
    """The parts to read, each by every AI; `left_out` says of everything else why."""

    parts: list[list[Source]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    local_only: str | None = None
    """A file that may not leave this machine, if there is one."""

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(source.name for part in self.parts for source in part))


async def read_material(
    run: Run,
    *,
    diff: str | None,
    files: Sequence[str] | None,
    base: str | None,
    staged: bool,
    paths: Sequence[str] | None,
    repo: str | None,
) -> Material:
    """Read the files, or the diff that is given, or ask git for one.

    Raises:
        InvalidInputError: There is nothing to review, or it may not be read; the message says what to do.
    """
    workspace, most = run.workspace, run.roster.config.files.max_tokens

    async def read() -> dict[str, Any]:
        return await anyio.to_thread.run_sync(_read, workspace, diff, files, base, staged, paths, repo)

    got = await run.call("material", read)  # a resumed review goes on with what was read at first
    material = Material(left_out=list(got["left_out"]), local_only=got["local_only"])
    sources = _within([_source(one) for one in got["sources"]], most, material.left_out)
    if not sources:
        reasons = "; ".join(material.left_out)
        raise InvalidInputError(f"Nothing is left to review: {reasons or 'the change is empty'}.")
    material.parts = _packed(sources)
    return material


def _read(
    workspace: Workspace,
    diff: str | None,
    files: Sequence[str] | None,
    base: str | None,
    staged: bool,
    paths: Sequence[str] | None,
    repo: str | None,
) -> dict[str, Any]:
    left_out: list[str] = []
    if files:
        sources, private = _files(workspace, files, left_out)
    elif diff is not None:
        sources, private = _given(workspace, diff, paths or (), left_out)
    else:
        changes = git_changes(workspace, _repository(workspace, repo), base=base, staged=staged, paths=paths or ())
        left_out += changes.left_out
        sources = [source for source in changes.sources if _may_be_sent(workspace, source, [source.name], left_out)]
        private = changes.local_only if sources else None
    return {"sources": [_plain(source) for source in sources], "left_out": left_out, "local_only": private}


def _given(
    workspace: Workspace, diff: str, paths: Sequence[str], left_out: list[str]
) -> tuple[list[Source], str | None]:
    """The files of a diff that somebody gives, and the first that may not leave this machine."""
    changed, without = parse_diff(diff)
    left_out += without
    sources, private = [], None
    for one in changed:
        if paths and not any(name.startswith(path) for path in paths for name in one.names):
            continue
        if not _may_be_sent(workspace, one.source, one.names, left_out):
            continue
        sources.append(one.source)
        if any(workspace.may_be_local_only(name) for name in one.names):
            private = private or one.source.name
        if line := _stale(workspace, one.source):
            left_out.append(line)
    return sources, private


def _repository(workspace: Workspace, repo: str | None) -> Path:
    folders = [root for root in workspace.roots if root != workspace.uploads]
    if repo is None and workspace.here is None and len(folders) != 1:
        raise InvalidInputError(
            "'repo' is missing: several folders, or none, are open to Moot (files.roots). Name one."
        )
    return workspace.folder(repo or ".")


def _files(workspace: Workspace, files: Sequence[str], left_out: list[str]) -> tuple[list[Source], str | None]:
    sources, private = [], None
    for given in files:
        names = workspace.expand(given)
        for name in names:
            try:
                file = workspace.read_text(name)
            except FileRefusedError as error:
                if names == [given]:
                    raise
                left_out.append(f"{name} (left out: {error})")
                continue
            if names != [given] and (reason := why_generated(file.name, file.text)):
                left_out.append(f"{file.name} (left out: {reason})")
                continue
            sources.append(whole(file.name, file.text))
            private = private or (file.name if file.local_only else None)
    return sources, private


def _may_be_sent(workspace: Workspace, source: Source, names: Iterable[str], left_out: list[str]) -> bool:
    text = "\n".join([*source.lines.values(), *(line for lines in source.removed.values() for line in lines)])
    secret = None
    if not workspace.send_secrets:
        secret = next((why for name in names if (why := named_like_a_secret(PurePosixPath(name)))), None)
    reason = secret or why_generated(source.name, text)
    if reason is None and workspace.secret_in(text, source.name):
        reason = "it holds what looks like a secret"
    if reason:
        left_out.append(f"{source.name} (left out: {reason})")
    return not reason


def _stale(workspace: Workspace, source: Source) -> str | None:
    """Said of a diff that is given and does not fit the file as it is here."""
    try:
        actual = workspace.read_text(source.name).text
    except FileRefusedError:
        return None
    return (
        None
        if applies(source, actual)
        else f"{source.name} (the diff does not apply to the file as it is here; reviewed as given)"
    )


def _within(sources: Sequence[Source], most: int, left_out: list[str]) -> list[Source]:
    """As many as *most* tokens allow, the rest named."""
    kept, left = [], most
    for source in sources:
        size = text_tokens(source.shown())
        if size > left:
            left_out.append(
                f"{source.name} (left out: about {size:,} tokens, and {left:,} of files.max_tokens are left)"
            )
            continue
        left -= size
        kept.append(source)
    return kept


def _packed(sources: Sequence[Source]) -> list[list[Source]]:
    """Parts of a size that is read with care; files stay together where they can."""
    parts: list[list[Source]] = [[]]
    size = 0
    for source in sources:
        for piece in source.parts(_PART_CHARS):
            length = len(piece.shown())
            if parts[-1] and size + length > _PART_CHARS:
                parts.append([])
                size = 0
            parts[-1].append(piece)
            size += length
    return [part for part in parts if part]


def _plain(source: Source) -> dict[str, Any]:
    """*source* as JSON."""
    return {
        "name": source.name,
        "lines": list(source.lines.items()),
        "added": sorted(source.added),
        "removed": [[number, list(texts)] for number, texts in source.removed.items()],
    }


def _source(plain: dict[str, Any]) -> Source:
    removed = {number: tuple(texts) for number, texts in plain["removed"]}
    return Source(plain["name"], dict(plain["lines"]), frozenset(plain["added"]), removed)
