"""The AIs that are configured, each open and ready: from a row of credentials.json to what completes a request.

`roster.py` opens them, `placing.py` says where each is asked, `seat.py` is one of them, `key_lane.py` one of its keys.
"""
