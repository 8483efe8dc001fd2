"""Documents that were made to do harm: each ends in a sentence or its text. `bench/documents.py` has the large ones."""

from __future__ import annotations

import pytest
from hostile_archives import ARCHIVES, PRIVATE
from hostile_others import FOREIGN
from hostile_pdfs import PDFS, Hostile

from core.files.documents import DocumentError, can_read_foreign, document_of

_LARGE = ("MB", "GB", "million", "packed", "spaces", "times", "zeros", "lengths", "65,000", "two each")


installed = pytest.mark.skipif(not can_read_foreign(), reason="the extra 'documents' is not installed here")


@installed
@pytest.mark.parametrize("one", [one for one in FOREIGN if "MB" not in one.name], ids=lambda one: one.name)
def test_so_does_what_the_extra_reads(one: Hostile) -> None:
    test_it_ends_in_a_sentence_or_its_text(one)


@pytest.mark.parametrize(
    "one", [one for one in (*PDFS, *ARCHIVES) if not any(word in one.name for word in _LARGE)], ids=lambda one: one.name
)
def test_it_ends_in_a_sentence_or_its_text(one: Hostile) -> None:
    try:
        document = document_of(one.name, one.make())
    except DocumentError as error:
        text, said = None, str(error)
    else:
        text, said = document.text if document else "", "."
    assert one.right(text) and said.endswith(".") and PRIVATE not in (text or "")
