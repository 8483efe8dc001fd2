"""Files that may be read and sent, and files of our own.

`workspace.py` says what may leave this machine, `opening.py` opens it without being led elsewhere, `documents.py` gets
the text out of PDFs in a bounded process; `atomic.py` writes what is ours. A format is a reader in `documents.py`.
"""
