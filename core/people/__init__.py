"""Who asks, where more than one person uses a Moot: the person of this moment, and the tokens people come with.

A door finds out who asks and says so with `acting_as`; whatever is kept below it then belongs to that person: jobs,
threads, files, rows of the ledger, a budget. May import `stores`, `errors`, `paths` and `values`. Another way to say
who one is ends in a `Person` too.
"""
