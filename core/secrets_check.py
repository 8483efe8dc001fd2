"""Whether a file is, or holds, a secret: by its name, by what git ignores it for, and by a secret scanner.

The scanner is detect-secrets with the detectors that know a kind of key by its shape. Words such as `password =` are
looked for in settings files only: in code they are mostly parameters and tests.
"""

from __future__ import annotations

import os
import re
import threading
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from core.redact import holds_known_secret

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_NAMES = (
    ".env", ".env.*", "*.env", ".envrc", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk",
    "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", ".npmrc", ".pypirc", ".netrc", "_netrc", ".git-credentials",
    ".htpasswd", ".pgpass", ".my.cnf", ".vault-token", "credentials", "credentials.*", "secrets", "secrets.*",
    "*.tfstate", "*.tfstate.*", "*.tfvars", "service-account*.json", "service_account*.json", "kubeconfig",
    "*_history", ".bash_history", "wallet.dat", "*.ovpn", "shadow",
)  # fmt: skip
_HARMLESS = ("*.example", "*.sample", "*.template", "*.dist", "*.pub", "credentials.example.*", "secrets.example.*")
_FOLDERS = {".git", ".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".gcloud", "gcloud"}
_SECRET_WORDS = re.compile(r"secret|credential|passw|token|private|\bkeys?\b|_key|key_|\.env|\.pem|\.key", re.I)
_SETTINGS = {".ini", ".cfg", ".conf", ".yaml", ".yml", ".json", ".toml", ".properties", ".xml"}
_BY_SHAPE = (
    "ArtifactoryDetector", "AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector", "CloudantDetector",
    "DiscordBotTokenDetector", "GitHubTokenDetector", "GitLabTokenDetector", "IbmCloudIamDetector",
    "JwtTokenDetector", "MailchimpDetector", "NpmDetector", "OpenAIDetector", "PrivateKeyDetector",
    "PypiTokenDetector", "SendGridDetector", "SlackDetector", "SoftlayerDetector", "SquareOAuthDetector",
    "StripeDetector", "TelegramBotTokenDetector", "TwilioKeyDetector",
)  # fmt: skip
_BEGINNINGS = ("sk-", "AIza", "xai", "gsk", "pplx")
_KEYS = re.compile(r"\bsk-[\w-]{20,}|\bAIza[\w-]{30,}|\b(?:xai|gsk|pplx)[-_][A-Za-z0-9]{20,}")
"""Keys of AI providers that the scanner does not know."""
_SET = re.compile(
    r"""(?:passw(?:or)?d|passphrase|secret|token|api_?-?key|private_?-?key|access_?-?key)["']?\s*[:=]>?\s*["']?"""
    r"""(?!true\b|false\b|null\b|none\b|\$|\{|<|%)(?=[^\s"']*[^\s"'\W_])[^\s"'<]{8,}""",
    re.I,
)
"""A settings file that sets a password or key to a value of its own."""
_FILTERS = ("is_templated_secret", "is_indirect_reference", "is_not_alphanumeric_string")
_LONGEST_IGNORE_FILE = 1_000_000
_LONGEST_LINE = 5_000
"""Nobody writes a key by hand into a longer line, and patterns take their time on minified files."""
_SHORTEST_SECRET = 8
_scanning = threading.Lock()  # the scanner's settings are one set per process


def secret_name(path: Path, root: Path) -> str | None:
    """Why the file at *path* is taken for a secret by its place and name; None when it is not."""
    inside = path.relative_to(root)
    if reason := named_like_a_secret(PurePath(*root.parts[1:], inside)):
        return reason
    if any(fnmatch(path.name.lower(), pattern) for pattern in _HARMLESS):
        return None
    if (pattern := _ignored_for(path, root)) and _SECRET_WORDS.search(pattern):
        return f"git ignores it by the pattern {pattern!r}, which is one for secrets"
    return None


def named_like_a_secret(path: PurePath) -> str | None:
    """Why a file at *path* is taken for a secret, by nothing but its place and name."""
    name = path.name.lower()
    if folders := _FOLDERS.intersection(part.lower() for part in path.parts[:-1]):
        return f"files in {sorted(folders)[0]!r} hold credentials"
    secret = any(fnmatch(name, pattern) for pattern in _NAMES)
    harmless = any(fnmatch(name, pattern) for pattern in _HARMLESS)
    return "files of that name hold secrets" if secret and not harmless else None


def holds_key(text: str) -> bool:
    """Whether *text* holds what looks like an API key or a private key; microseconds, for texts by the thousand."""
    if any(beginning in text for beginning in _BEGINNINGS) and _KEYS.search(text):  # a pattern takes ten times as long
        return True
    return "PRIVATE KEY-----" in text or holds_known_secret(text)


def secret_in(text: str, name: str) -> str | None:
    """What secret *text* holds and in which line; None when none is known."""
    from detect_secrets.core.scan import scan_line
    from detect_secrets.settings import transient_settings

    settings = PurePath(name).suffix.lower() in _SETTINGS
    plugins = [{"name": detector} for detector in _BY_SHAPE]
    filters = [{"path": f"detect_secrets.filters.heuristic.{one}"} for one in _FILTERS]
    with _scanning, transient_settings({"plugins_used": plugins, "filters_used": filters}):
        for number, line in enumerate(text.splitlines(), 1):
            if len(line.strip()) < _SHORTEST_SECRET:
                continue
            if _KEYS.search(line) or holds_known_secret(line):
                return f"line {number} holds what looks like an API key"
            if settings and _SET.search(line[:_LONGEST_LINE]):
                return f"line {number} sets what looks like a password or key"
            for found in scan_line(line[:_LONGEST_LINE]):
                return f"line {number} holds what looks like a secret ({found.type})"
    return None


def _ignored_for(path: Path, root: Path) -> str | None:
    """The pattern by which git ignores *path*; None when it does not. Git itself is not asked: it runs programs."""
    top = next((place for place in path.parents if os.path.lexists(place / ".git")), root)
    for folder in path.parents:  # the nearest file has the last word
        if folder == folder.parent or not folder.is_relative_to(min(top, root, key=lambda one: len(one.parts))):
            break
        if (found := _ignored_by(folder / ".gitignore", path.relative_to(folder).as_posix())) is not None:
            return found or None
    beside = (top / ".git" / "info" / "exclude", Path.home() / ".config" / "git" / "ignore")
    return next((found for file in beside if (found := _ignored_by(file, path.relative_to(top).as_posix()))), None)


def _ignored_by(file: Path, name: str) -> str | None:
    """The pattern in *file* that says that *name* is ignored; empty when one says that it is not."""
    try:
        if file.is_symlink() or not file.is_file() or file.stat().st_size > _LONGEST_IGNORE_FILE:
            return None
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    found = _ignoring(tuple(lines)).check_file(name)
    if found.include is None or found.index is None:
        return None
    return lines[found.index].strip() if found.include else ""


@lru_cache(maxsize=64)
def _ignoring(lines: tuple[str, ...]) -> GitIgnoreSpec:
    """The patterns of an ignore file; a line that git would not understand either is one that matches nothing."""
    from pathspec import GitIgnoreSpec
    from pathspec.patterns.gitignore import GitIgnorePatternError

    try:
        return GitIgnoreSpec.from_lines(lines)
    except GitIgnorePatternError:
        return GitIgnoreSpec.from_lines([line if _is_pattern(line) else "" for line in lines])


def _is_pattern(line: str) -> bool:
    from pathspec import GitIgnoreSpec
    from pathspec.patterns.gitignore import GitIgnorePatternError

    try:
        GitIgnoreSpec.from_lines([line])
    except GitIgnorePatternError:
        return False
    return True
