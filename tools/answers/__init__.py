"""Closed answers by value: what is equal here was meant alike, however it was written.

`values.py` first tries the options of the question, then numbers with their units, ranges, dates, and the bare text.
"""
