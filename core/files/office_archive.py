"""What the readers of office documents share: the parts of the archive, and the text so far, both within bounds."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import zipfile
    from collections.abc import Callable, Iterator

_LISTED = "META-INF/manifest.xml"
_MOST_ENTRIES = 20_000
_DEEPEST = 256
_PIECE = 1_048_576
"""Bytes read at once: the parser looks again at what has not ended with every piece, such as a long comment."""


class FullError(Exception):
    """There is no room for more text."""


class UnreadableError(Exception):
    """Why it cannot be read, in one word."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class Out:
    """The blocks of text so far, within *left* characters."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.blocks: list[str] = []
        self.notes: list[str] = []

    def add(self, text: str) -> None:
        """Add a block.

        Raises:
            FullError: It fits in part only.
        """
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").rstrip()
        if not text.strip():
            return
        self.blocks.append(text[: self.left])
        self.left -= len(text)
        if self.left <= 0:
            raise FullError


class Parts:
    """The parts of the archive, of which no more is unpacked than *most* bytes together, whatever they claim."""

    def __init__(self, archive: zipfile.ZipFile, most: int) -> None:
        self._archive = archive
        self._left = most
        self.broken: list[str] = []
        """Why parts could be read in part only."""
        self._real = {name.replace("\\", "/").lstrip("/"): name for name in archive.namelist()}
        self.names = list(self._real)
        """As the standards have them; some programs write them as paths of Windows."""
        if len(archive.namelist()) > _MOST_ENTRIES:
            raise UnreadableError("entries")
        if any(one.flag_bits & 1 for one in archive.infolist()):
            raise UnreadableError("password")

    def walk(
        self,
        name: str,
        begin: Callable[[str, dict[str, str]], None],
        end: Callable[[str, str], None],
        said: Callable[[str], None] | None = None,
    ) -> None:
        """Read the XML of the part *name*, as far as it is whole: a broken one must not cost the others.

        Args:
            begin: Has each element and its attributes; that which leads to another part is called `rid`.
            end: Has each element and its own text.
            said: Has each piece of text in its place.
        """
        import zipfile
        import zlib
        from xml.parsers import expat

        parser, depth = expat.ParserCreate(namespace_separator=" "), [0]
        texts: list[list[str]] = [[]]

        def started(tag: str, attributes: dict[str, str]) -> None:
            depth[0] += 1
            if depth[0] > _DEEPEST:
                raise UnreadableError("nesting")
            texts.append([])
            begin(_local(tag), {_attribute(key): value for key, value in attributes.items()})

        def ended(tag: str) -> None:
            depth[0] -= 1
            end(_local(tag), "".join(texts.pop()))

        def told(text: str) -> None:
            texts[-1].append(text)
            if said is not None:
                said(text)

        def doctype(*_: object) -> None:
            raise UnreadableError("doctype")

        parser.StartElementHandler, parser.EndElementHandler = started, ended
        parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = told, doctype
        parser.buffer_text = True
        try:
            for piece in self._pieces(name):
                parser.Parse(piece, False)
            parser.Parse(b"", True)
        except (expat.ExpatError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            self.broken.append(type(error).__name__)

    def check_open(self) -> None:
        """Go on where its parts are not encrypted (OpenDocument 1.3, part 2, 4.8.3).

        Raises:
            UnreadableError: They are.
        """
        import zipfile
        import zlib
        from contextlib import suppress

        listed = b""
        with suppress(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):  # it must not cost the text
            listed = b"".join(self._pieces(_LISTED)) if _LISTED in self._real else b""
        if b"encryption-data" in listed:
            raise UnreadableError("password")

    def related(self, name: str) -> dict[str, str]:
        """The parts in the archive that the part *name* leads to, by the ids it calls them (ECMA-376, part 2, 9.3)."""
        import posixpath

        folder, _, file = name.rpartition("/")
        listed = f"{folder}/_rels/{file}.rels"
        found: dict[str, str] = {}

        def begin(tag: str, attributes: dict[str, str]) -> None:
            target = attributes.get("Target", "")
            path = posixpath.normpath(posixpath.join(f"/{folder}", target)).lstrip("/")
            if tag == "Relationship" and attributes.get("TargetMode") != "External" and path in known:
                found[attributes.get("Id", "")] = path

        if listed in self._real:
            known = self._real
            self.walk(listed, begin, lambda tag, text: None)
        return found

    def _pieces(self, name: str) -> Iterator[bytes]:
        with self._archive.open(self._real[name]) as part:
            while piece := part.read(_PIECE):
                self._left -= len(piece)
                if self._left < 0:
                    raise UnreadableError("unpacked")
                yield piece

    def numbered(self, begins: str) -> list[str]:
        """The parts `begins1.xml`, `begins2.xml`... in the order of their numbers."""
        found = {name: number_of(name[len(begins) : -4], -1) for name in self.names if name.startswith(begins)}
        return sorted((name for name, number in found.items() if number >= 0), key=lambda name: found[name])


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _attribute(name: str) -> str:
    return "rid" if name.endswith("/relationships id") else _local(name)


def number_of(text: str, otherwise: int) -> int:
    """The whole number that *text* is, of at most nine digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else otherwise
