"""Rows in, records out.

`input.py` reads rows of any format (`csv_rows.py`, `lines.py`), `template.py` makes prompts; `output.py` appends
records in order, `records.py` reads them back without trust, `kept.py` has what somebody else changed. A format of
rows is a reader beside `csv_rows.py`.
"""
