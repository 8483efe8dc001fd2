"""What it costs to read a document in a process of its own, and how files end that were made to do harm.

60 pages of PDF as TeX sets them, words in pieces that are moved apart, through `pdf_text` and by bare pypdf in a
process that has imported it already: at most 1.2 times its time and its CPU. The start of the process, some 0.1 s,
counts; beside 60 pages of plain lines, which are read in 0.2 s, it is shown.

The hostile files of `tests/support/hostile_*.py` each end in a sentence, in a text that is right, or in a picture that
can be sent: 0 that end otherwise, none of them after more than 30 s and 2 of grace, none in a process of more than
1,536 MB. Those for the extra `documents` are read where it is installed.
"""

from __future__ import annotations

import io
import random
import resource
import sys
import time
from collections.abc import Callable
from functools import partial

from _measure import ROOT, Figure, children_cpu_s, exact, interleaved, main, ratio

sys.path.insert(0, str(ROOT / "tests" / "support"))

import pypdf
from hostile_archives import ARCHIVES, PRIVATE
from hostile_others import FOREIGN, PAGES, PICTURE, PICTURES
from hostile_pdfs import PDFS, Hostile, laid_out, packed
from PIL import Image

from core.files.documents import SECONDS, DocumentError, can_read_foreign, document_of, pdf_text
from core.files.photos import LONGEST_SIDE, PictureError, photo_of

COUNT, LINES, WORDS = 60, 44, 11
_MEMORY_MB = 1536
_GRACE_S = 2.0
_LETTERS = (
    b"begincmap 1 begincodespacerange <00> <FF> endcodespacerange\n95 beginbfchar\n%s\nendbfchar endcmap"
    % b"\n".join(b"<%02X> <%04X>" % (letter, letter) for letter in range(32, 127))
)
_FONT = (
    b"<</Type/Font/Subtype/Type1/BaseFont/ABCDEF+CMR10/FirstChar 32/LastChar 126/Widths[%s]/ToUnicode 5 0 R>>"
    % b" ".join([b"500"] * 95)
)


def measure(rounds: int) -> list[Figure]:
    return [*_speed(rounds), *_hostile()]


def _speed(rounds: int) -> list[Figure]:
    kinds = {"as TeX sets them": (paper(_typeset), 1.2), "of plain lines": (paper(_plain), None)}
    figures = []
    for name, (data, bound) in kinds.items():
        assert pdf_text(data).text.count("[page ") == COUNT, "both sides read all of it"
        taken = interleaved(rounds, {"ours": partial(_timed, pdf_text, data), "bare": partial(_timed, _bare, data)})
        for place, unit in enumerate(("wall", "CPU")):
            ours, bare = ([sample[place] for sample in taken[who]] for who in ("ours", "bare"))
            figures.append(ratio(f"{COUNT} pages of PDF, {name} / bare pypdf, {unit}", ours, bare, bound=bound))
    return figures


def _timed(read: Callable[[bytes], object], data: bytes) -> tuple[float, float]:
    """Seconds on the clock, and of CPU with that of the processes that were started for it."""
    wall, cpu = time.perf_counter(), time.process_time() + children_cpu_s()
    read(data)
    return time.perf_counter() - wall, time.process_time() + children_cpu_s() - cpu


def _bare(data: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages]


def paper(line: Callable[[random.Random, list[str]], str]) -> bytes:
    """60 pages of some 3,400 letters, each line as *line* sets its words."""
    chance = random.Random(18)
    words = ["".join(chance.choices("abcdefghijklmnoprstuvw", k=chance.randint(2, 10))) for _ in range(3_000)]
    made = {1: b"<</Type/Catalog/Pages 2 0 R>>", 4: _FONT, 5: packed(_LETTERS)}
    for number in range(10, 10 + 2 * COUNT, 2):
        lines = "\n".join(line(chance, chance.choices(words, k=WORDS)) for _ in range(LINES))
        made[number] = (
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents %d 0 R/Resources<</Font<</F1 4 0 R>>>>>>"
            % (number + 1)
        )
        made[number + 1] = packed(f"BT /F1 9.963 Tf 14 TL 133.768 707.125 Td\n{lines}\nET".encode())
    kids = b" ".join(b"%d 0 R" % number for number in range(10, 10 + 2 * COUNT, 2))
    made[2] = b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, COUNT)
    return laid_out(made)


def _plain(chance: random.Random, words: list[str]) -> str:
    return f"({' '.join(words)}) Tj T*"


def _typeset(chance: random.Random, words: list[str]) -> str:
    pieces = []
    for word in words:
        cut = chance.randint(1, len(word))
        kerned = f"{chance.choice((28, -28, 83))}({word[cut:]})" if word[cut:] else ""
        pieces.append(f"({word[:cut]}){kerned}")
    return f"[{f'{chance.randint(-400, -280)}'.join(pieces)}]TJ 0 -11.955 Td"


def _hostile() -> list[Figure]:
    otherwise, slowest, told = [], (0.0, ""), 0
    files = [*PDFS, *ARCHIVES, *PAGES, *(FOREIGN if can_read_foreign() else ()), *PICTURES]
    for one in files:
        data = one.make()
        began = time.perf_counter()
        ends = _ends(one, data)
        slowest = max(slowest, (time.perf_counter() - began, one.name))
        told += ends == "sentence"
        if not ends:
            otherwise.append(one.name)
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    extra = "" if can_read_foreign() else "; none for the extra 'documents', which is not installed"
    return [
        exact("hostile files", len(files), unit="files", note=f"{told} end in a sentence, the others are read{extra}"),
        exact("of which end otherwise", len(otherwise), bound=0, unit="files", note=", ".join(otherwise)),
        exact("the slowest of them", slowest[0], bound=SECONDS * 1.5 + _GRACE_S, unit="s", note=slowest[1]),
        exact("the largest process", largest, bound=_MEMORY_MB, unit="MB"),
    ]


def _ends(one: Hostile, data: bytes) -> str:
    """How it ended: `sentence`, `read`, or otherwise, which is nothing."""
    try:
        text = _picture(data) if one in PICTURES else _text(one.name, data)
    except (DocumentError, PictureError) as error:
        return "sentence" if one.right(None) and str(error).endswith(".") else ""
    except Exception:
        return ""
    return "read" if one.right(text) and PRIVATE not in text else ""


def _text(name: str, data: bytes) -> str:
    document = document_of(name, data, pages=True)
    assert document is not None, "all of them are documents by their names"
    return document.text


def _picture(data: bytes) -> str:
    """Whether what would be sent is a picture within the bounds."""
    sent = photo_of(data, "it").image.data
    shown = Image.open(io.BytesIO(sent))
    fits = max(shown.size) <= LONGEST_SIDE and len(sent) <= 3_750_000 and shown.format in ("PNG", "JPEG")
    return PICTURE if fits else ""


if __name__ == "__main__":
    main(measure, rounds=9)
