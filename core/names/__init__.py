"""Names: of modules, which a wheel calls otherwise; of what other packages add; and of what somebody meant to write.

Imports nothing, since whoever starts Moot waits for it. One more comes in as a file of its own.
"""
