"""Every configured AI, and the panels, behind the addresses that OpenAI's and Anthropic's clients know.

`routes.py` lists the addresses. A request is read into what the engine takes (`conversation.py`, `bodies.py`), becomes
a run that tells neutral pieces (`flow.py`), and is written in one of the wire shapes: `chat_completions.py`,
`responses.py`, `messages.py`. One more shape is a file with its body and a function that reads it, one with its `Shape`
(`reply.py`), and a line in `routes.py`; one more panel is a row of `PANELS` in `targets.py` and a reader of its result
in `panels.py`.
"""
