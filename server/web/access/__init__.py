"""Who asks, and from where: everything that is decided about a request before anybody answers it.

`gate.py` is the one middleware; the others are the questions it asks. A new way to say who one is goes into
`people.py`, and ends in a `Person`.
"""
