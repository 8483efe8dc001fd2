"""What is wrong here, and what to do about it. A check is a function in `checks.py`."""
