"""The files that may leave this machine: those below the roots, and no secrets.

A path comes from a model, so it is data: it is resolved with its symbolic links, must lie below a root, and must be an
ordinary file of a bounded size that looks like text, a PDF or a picture. What looks like a secret is refused, by name
(`core/secrecy/check.py`) and by content. Reading blocks; call it in a thread.
"""

from __future__ import annotations

import errno
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from glob import glob
from pathlib import Path, PurePath
from typing import Any

from core.errors import InvalidInputError
from core.files.documents import Document, DocumentError, document_of, is_document
from core.files.letters import text_of
from core.files.opening import NotPlainError, read_below
from core.files.photos import ENDINGS, Photo, PictureError, is_picture, most_bytes, photo_of
from core.paths import data_dir

MAX_TEXT_BYTES = 2 * 1024 * 1024
MAX_PDF_BYTES = 30 * 1024 * 1024
MAX_FILES = 200
MAX_IMAGES = 10
"""With one question."""
_SEEN_BY_GLOB = 20_000


class FileRefusedError(InvalidInputError):
    """A file that is not read; the message names it as it was given and says why."""


@dataclass(frozen=True, slots=True)
class TextFile:
    """The text of a file, under the name it has below its root."""

    name: str
    text: str
    local_only: bool = False
    """Whether it may go only to AIs on this machine."""
    notes: tuple[str, ...] = ()
    """What the receipt has to tell of it, such as pages that hold no text."""

    @property
    def lines(self) -> int:
        return self.text.count("\n") + (not self.text.endswith("\n"))


@dataclass(frozen=True)
class Workspace:
    """What may be read.

    Args:
        roots: Folders; a root itself may be a link, nothing below one may lead out of it.
        local_only: Patterns such as `clients/*` for files that may go only to AIs on this machine.
        here: The folder in which a person typed the paths. They may name any file of theirs, then; None: a model did.
        send_secrets: That person said that what looks like a secret is meant to be sent.
        uploads: The one of the roots that lies among Moot's own files: what somebody brought along.
    """

    roots: tuple[Path, ...] = ()
    local_only: tuple[str, ...] = ()
    refused_roots: tuple[str, ...] = field(default=())
    """Why configured roots are not used, for `status`."""
    here: Path | None = None
    send_secrets: bool = False
    uploads: Path | None = None

    @classmethod
    def open(
        cls,
        roots: Sequence[str] | None,
        local_only: Sequence[str] = (),
        *,
        by_hand: bool = False,
        send_secrets: bool = False,
    ) -> Workspace:
        """The configured *roots*, or the folder this process was started in; *by_hand*: a person types the paths."""
        given = [Path.cwd()] if roots is None else [Path(root).expanduser() for root in roots]
        usable, refused = [], []
        for root in given:
            try:
                usable.append(_root(root))
            except FileRefusedError as error:
                if roots is not None:
                    refused.append(str(error))
        here = Path.cwd() if by_hand else None
        return cls(tuple(usable), tuple(local_only), tuple(refused), here, send_secrets)

    def place(self) -> dict[str, Any]:
        """Where paths are looked for and who typed them, as JSON: a job goes on in a process that stands elsewhere."""
        here = str(self.here) if self.here else None
        uploads = str(self.uploads) if self.uploads else None
        roots = [str(root) for root in self.roots]
        return {"roots": roots, "here": here, "send_secrets": self.send_secrets, "uploads": uploads}

    def with_uploads(self, folder: Path) -> Workspace:
        """This workspace with *folder* of uploads, which exists, as a further root."""
        uploads = folder.resolve()
        return replace(self, roots=(*self.roots, uploads), uploads=uploads)

    def at(self, place: Mapping[str, Any]) -> Workspace:
        """This workspace at *place*, as `place()` told it."""
        here = Path(place["here"]) if place["here"] else None
        roots = tuple(Path(root) for root in place["roots"])
        uploads = Path(place["uploads"]) if place.get("uploads") else None
        return replace(self, roots=roots, here=here, send_secrets=bool(place["send_secrets"]), uploads=uploads)

    def read_text(self, given: str) -> TextFile:
        """The text of one file.

        Raises:
            FileRefusedError: It may not, or cannot, be read.
        """
        if self.here is not None and is_link(given):
            return self._read_page(given)
        root, path = self._find(given)
        name = path.relative_to(root).as_posix()
        self._refuse_secret(given, root, path)
        longest = MAX_PDF_BYTES if is_document(path.name) else MAX_TEXT_BYTES
        document = _document(given, path.name, self._bytes(given, root, path, longest))
        if found := self.secret_in(document.text, name):
            raise FileRefusedError(f"{given!r} is not sent: {found}. Remove it from the file, or {self._way_out()}.")
        return TextFile(name, document.text, self._stays(root, path), document.notes)

    def _read_page(self, url: str) -> TextFile:
        """What a person gave by its address. A model may give none: it could tell whoever is there what it knows."""
        from core.files.links import fetch  # not for the many calls that send no page

        page = fetch(url)
        if found := self.secret_in(page.text, "page"):
            raise FileRefusedError(f"{url!r} is not sent: {found}. Use --send-secrets if it is meant.")
        return TextFile(page.url, page.text, notes=page.notes)

    def read_image(self, given: str) -> tuple[Photo, bool]:
        """A picture as it is sent, and whether it may go only to AIs on this machine.

        Raises:
            FileRefusedError: It may not, or cannot, be read.
        """
        root, path = self._find(given)
        self._refuse_secret(given, root, path)
        data = self._bytes(given, root, path, most_bytes())
        try:
            return photo_of(data, repr(given)), self._stays(root, path)
        except PictureError as error:
            raise FileRefusedError(str(error)) from error

    def below(self, given: str) -> tuple[Path, Path]:
        """A root, and the file or folder *given* below it, which is not the root itself and no secret by its name.

        Raises:
            FileRefusedError: It may not be used.
        """
        root, path = self._find(given)
        if path == root:
            raise FileRefusedError(f"{given!r} is a root itself. Name a file or folder below it.")
        self._refuse_secret(given, root, path)
        return root, path

    def folder(self, given: str) -> Path:
        """The folder *given* below a root.

        Raises:
            FileRefusedError: It is none, or lies elsewhere.
        """
        _, path = self._find(given)
        if not path.is_dir():
            raise FileRefusedError(f"{given!r} is no folder. Name one below {self._told_roots()}.")
        return path

    def expand(self, given: str) -> list[str]:
        """*given* itself, or the files it matches when it is a pattern such as `src/*.py`; hidden ones are left out.

        Raises:
            FileRefusedError: A pattern matches nothing, too much, or leads out of the roots.
        """
        if not any(letter in given for letter in "*?[") or (self.here is not None and is_link(given)):
            return [given]
        if self.here is not None:
            return self._expand_by_hand(given, self.here)
        if PurePath(given).is_absolute() or ".." in PurePath(given).parts:
            raise FileRefusedError(f"{given!r}: a pattern is taken below the roots. Leave out the folder before it.")
        found = [str(path) for root in self.roots for path in _matching(root, given)]
        if not found:
            raise FileRefusedError(f"No file matches {given!r} below {self._told_roots()}.")
        if len(found) > MAX_FILES:
            raise FileRefusedError(f"{given!r} matches {len(found)} files; at most {MAX_FILES} are read. Narrow it.")
        return found

    def secret_name(self, path: Path, root: Path) -> str | None:
        """Why the file at *path* is taken for a secret by its place and name; None where that is meant."""
        from core.secrecy.check import secret_name  # not for the many calls that send no file

        return None if self.send_secrets else secret_name(path, root)

    def secret_in(self, text: str, name: str) -> str | None:
        """What secret *text* holds and in which line; None where that is meant."""
        from core.secrecy.check import secret_in

        return None if self.send_secrets else secret_in(text, name)

    def _bytes(self, given: str, root: Path, path: Path, longest: int) -> bytes:
        """What *path* holds. What is opened is what was resolved: a link that appears in between is not followed."""
        try:
            return read_below(root, path.relative_to(root).parts, longest, hard_links=self.here is not None)
        except NotPlainError as error:
            raise FileRefusedError(f"{given!r} {error}.") from None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise FileRefusedError(f"{given!r} has been moved while it was read. Try again.") from None
            raise FileRefusedError(
                f"{given!r} cannot be read ({type(error).__name__}). Check its permissions."
            ) from None

    def _refuse_secret(self, given: str, root: Path, path: Path) -> None:
        if reason := self.secret_name(path, root):
            hint = " Use --send-secrets if it is meant." if self.here else ""
            raise FileRefusedError(f"{given!r} is not sent: {reason}.{hint}")

    def _way_out(self) -> str:
        return "use --send-secrets if it is meant" if self.here else "leave the file out"

    def _stays(self, root: Path, path: Path) -> bool:
        """Whether the file may go only to AIs on this machine; of one outside of the roots all of its path counts."""
        if root in self.roots:
            return self.is_local_only(path.relative_to(root).as_posix())
        return self.may_be_local_only(path.as_posix())

    def _expand_by_hand(self, given: str, here: Path) -> list[str]:
        found = sorted(glob(str(here / Path(given).expanduser()), recursive=True))
        files = [name for name in found if Path(name).is_file()]
        if not files and (here / Path(given).expanduser()).exists():
            return [given]
        if not files or len(files) > MAX_FILES:
            raise FileRefusedError(f"{given!r} matches {len(files)} files; from 1 to {MAX_FILES} are read.")
        return files

    def _find(self, given: str) -> tuple[Path, Path]:
        """The root and the resolved path of *given*."""
        if self.here is not None:
            return self._find_by_hand(given, self.here)
        if not self.roots:
            raise FileRefusedError(
                f"{given!r} is not read: no folder is open to Moot. Set files.roots in credentials.json, or start Moot "
                "in a project folder."
            )
        if "\0" in given or len(given) > 4096:
            raise FileRefusedError("A file name is not valid. Give a path below the roots.")
        missing = False
        for root in self.roots:
            try:
                path = (root / Path(given).expanduser()).resolve(strict=True)
            except (FileNotFoundError, NotADirectoryError):
                missing = missing or _would_be_below(root, given)  # what lies outside is not even told to be missing
                continue
            except (OSError, RuntimeError, ValueError) as error:
                raise FileRefusedError(f"{given!r} cannot be resolved ({type(error).__name__}).") from None
            if path.is_relative_to(root):
                if path.is_relative_to(data_dir().resolve()) and not self._is_upload(path):
                    raise FileRefusedError(f"{given!r} is one of Moot's own files, which are not sent.")
                return root, path
        if missing:
            raise FileRefusedError(f"{given!r} does not exist below {self._told_roots()}. Give a path relative to it.")
        raise FileRefusedError(
            f"{given!r} lies outside of {self._told_roots()}. Give a path below it, or add its folder to files.roots "
            "in credentials.json."
        )

    def _is_upload(self, path: Path) -> bool:
        return self.uploads is not None and path.is_relative_to(self.uploads)

    def _find_by_hand(self, given: str, here: Path) -> tuple[Path, Path]:
        """Find a path that a person typed: it may lie anywhere, and is called by where it is below a root."""
        if "\0" in given or len(given) > 4096:
            raise FileRefusedError("A file name is not valid. Give a path.")
        try:
            path = (here / Path(given).expanduser()).resolve(strict=True)
        except (FileNotFoundError, NotADirectoryError):
            raise FileRefusedError(f"{given!r} does not exist. Correct the path.") from None
        except (OSError, RuntimeError, ValueError) as error:
            raise FileRefusedError(f"{given!r} cannot be resolved ({type(error).__name__}).") from None
        root = next((root for root in self.roots if path.is_relative_to(root)), path.parent)
        return root, path

    def _told_roots(self) -> str:
        return ", ".join(repr(root.name) for root in self.roots)

    def is_local_only(self, name: str) -> bool:
        """Whether the file called *name* below its root may go only to AIs on this machine."""
        return any(
            fnmatchcase(form, pattern) or fnmatchcase(PurePath(form).name, pattern)
            for given in self.local_only
            for form, pattern in zip(_forms(name), _forms(given), strict=True)
        )

    def may_be_local_only(self, name: str) -> bool:
        """Whether that may hold for a name out of a diff, of which nobody knows below which folder it starts.

        It is enough that its end matches a pattern, or the end of one.
        """
        endings = _endings(name)
        patterns = [ending for pattern in self.local_only for ending in _endings(pattern) if set(ending) - set("*?/")]
        workspace = replace(self, local_only=(*self.local_only, *patterns))
        return any(workspace.is_local_only(ending) for ending in endings)


def is_link(given: str) -> bool:
    """Whether *given* is an address on the web rather than a path."""
    return given.lower().startswith(("http://", "https://"))


def _forms(name: str) -> tuple[str, str, str]:
    """*name* as it is, and as file systems take it that tell neither ways of composing letters nor cases apart."""
    composed = unicodedata.normalize("NFC", name)
    return name, composed, composed.casefold()


def _endings(name: str) -> list[str]:
    parts = PurePath(name).parts
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _root(root: Path) -> Path:
    try:
        resolved = root.resolve(strict=True)
    except (OSError, RuntimeError):
        raise FileRefusedError(f"files.roots: {root.name!r} does not exist. Correct it in credentials.json.") from None
    home = Path.home().resolve()
    if resolved.is_relative_to(data_dir().resolve()):
        raise FileRefusedError(f"files.roots: {root.name!r} holds Moot's own files. Name a project folder.")
    if not resolved.is_dir() or resolved == Path(resolved.anchor) or home.is_relative_to(resolved):
        raise FileRefusedError(f"files.roots: {root.name or '/'!r} is too wide or no folder. Name a project folder.")
    if any(resolved.is_relative_to(special) for special in ("/proc", "/sys", "/dev")):
        raise FileRefusedError(f"files.roots: {root.name!r} holds no files. Name a project folder.")
    return resolved


def _matching(root: Path, pattern: str) -> Iterator[Path]:
    for seen, path in enumerate(sorted(root.glob(pattern))):
        if seen >= _SEEN_BY_GLOB:
            raise FileRefusedError(f"{pattern!r} matches too much. Narrow it.")
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if not hidden and path.is_file() and path.resolve().is_relative_to(root):
            yield path.relative_to(root)


def _would_be_below(root: Path, given: str) -> bool:
    try:
        return (root / Path(given).expanduser()).resolve().is_relative_to(root)
    except (OSError, RuntimeError, ValueError):
        return False


def _document(given: str, name: str, data: bytes) -> Document:
    if is_picture(data) or (name.lower().endswith(ENDINGS) and b"\0" in data):
        raise FileRefusedError(f"{given!r} is a picture. Name it among the pictures: images, or -i at the shell.")
    try:
        return document_of(name, data) or _text(given, data)
    except DocumentError as error:
        raise FileRefusedError(f"{given!r} {error}") from error


def _text(given: str, data: bytes) -> Document:
    found = text_of(data)
    if found is None:
        raise FileRefusedError(f"{given!r} is binary, or not UTF-8. Text, code, PDF and office documents are read.")
    return Document(*found)
