"""The Telegram door: `bot.py` puts it together, `bot_api.py` speaks to Telegram, everything else lies between.

An update goes `polling.py` or `webhook.py` > `store.py`, where it is kept before Telegram is told that it arrived >
`bot.py`, in order within a chat > `incoming.py`, which reads it > `handling.py`, which may (`access.py`) make a turn of
it > `turns.py`, where the question is a job > `bubble.py`, which shows the answer. What a turn has sent is kept with
it, so whoever goes on after a kill edits the same message. A language is a file in `words/`; a kind of attachment is a
reader in `attachments.py`; a command is a row in `commands.py`.
"""
