"""What was said before, for whoever asks an AI: `core.memory` as it is configured, with embedders that need a run.

`opening.py` opens the memory of a run's person, and recalls; `endpoint_vectors.py` has a provider make vectors;
`chosen.py` picks embedder and index; `forgetting.py` forgets everywhere, the cache of answers included, and jobs, which
`copied_jobs.py` finds; `keeping_up.py` indexes beside a door that stays open. A door that knows chats does

    found = await recall(run, Scope.of_chat("telegram -100123", "7"), question)
    gone = await forget(run, Scope.of_chat(...), Which(message="981"))
    await keep_indexed(app)                  # until it is cancelled; index_all(run): once

as whom it works for (`acting_as`): the run's threads are that person's file.
"""
