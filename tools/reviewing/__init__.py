"""A review: what it is about (`material.py`), and what reviewers claim, held against the lines they were shown."""
