"""Files that may be read and sent, and files of our own.

`workspace.py` says what may leave this machine, `opening.py` opens it without being led elsewhere, `documents.py` gets
the text out of documents and `photos.py` makes pictures small enough, each in a bounded process (`*_child.py`);
`atomic.py` writes what is ours. A format is such a reader, and its endings in `documents.py`.
"""
