"""From answers to a verdict: which mean the same (`referee.py`), and what votes of unequal seats say (`votes.py`)."""
