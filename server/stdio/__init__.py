"""The fast start: `moot serve` answers from a snapshot and imports the real server meanwhile.

`serve.py` > `early_answers.py` > `connection.py`. What stands before `connection.py` imports nothing that costs.
"""
