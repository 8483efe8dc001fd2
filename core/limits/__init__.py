"""What may be asked now, and what may be spent: token buckets, slots, budgets.

Each is shared by all processes of a user, or by a fleet, through `core.stores`.
"""
