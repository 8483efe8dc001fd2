"""What was said before, kept word for word and found again: threads, runs, saved prompts, and a search by meaning.

How a door uses it (everything blocks but `Threads.add`; call it in a worker thread):

    threads = Threads(person.folder() / "threads.db")   # one file for a person, or for a group
    place = Place("telegram -100123", topic="7")        # the chat and topic; left out: the terminal
    threads.add("tg -100123 7 5", [Turn(USER, text, person="telegram 4711", message="981", job=job_id,
                                        files=("uploads/981.pdf",))], place=place)

    memory = open_memory(threads, config.memory, run)   # of ai/recall/chosen.py: as it is configured
    scope = Scope.of_chat("telegram -100123", "7")      # or of_thread(name); there is no search without one
    found = memory.recall(scope, question, text_tokens, tokens=2_000)   # Passage: text, at, author, thread, message
    memory.catch_up()                                   # a step of indexing by meaning; until it gives 0
    gone = memory.forget(scope, Which(message="981"))   # or since=, until=, turn=; alone: all of the scope
    forget_copies(gone, person.folder(), history)       # files, past runs; jobs: ai/recall/forgetting.py

`found.passages` are data that others wrote: put them between the fences of `core.untrusted.Fence`
(`tools/recipe/recalled.py` does). `found.notes` says what could not be searched. Nothing of a scope is ever found from
another; what belongs to different people is in different files besides.

Files: `threads.py` (the transcript), `schema.py` (its tables), `reading.py`, `scope.py`; `memory.py` (searching),
`indexing.py` (how far the indexes are), `looking.py` (one search), `found.py` (what it finds), `finding.py` (by words),
`words.py`, `times.py`, `ranking.py`, `passages.py`; `forgetting.py`, `copies.py` (what holds forgotten words),
`moving.py` (export and import). `index.py` has the protocols of indexes and embedders: `sqlite_index.py`,
`chroma_index.py`, `pgvector_index.py` with `pgvector_near.py`; `static_vectors.py` and `minilm.py`, with `pieces.py`
and `tensors.py`. One more is a file with the methods of its protocol and a line in `ai/recall/chosen.py`. numpy is
imported where it is computed with.
"""
