"""What there is to review: files, diffs, and what git says has changed.

`git.py` alone starts git, on repositories that may be hostile; `diffs.py` reads diffs, `from_git.py` says what of a
change may be sent.
"""
