"""What was asked and what it cost: the ledger, prices, metrics, and how panels fared.

`ledger.py` hears events; a row survives a kill through `spool.py`; `schema.py` has the tables of `moot.db`.
"""
