"""What a failure means: an error of ours, with the next step, and whether the request may have been accepted.

`failure.py` decides; `refusals.csv` has what providers say by their errors, a row each with its source.
"""
