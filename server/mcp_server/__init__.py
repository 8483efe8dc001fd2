"""What a host talks to, over any transport of the SDK: tools, prompts, resources, tasks, subscriptions.

`app.py` makes the server; `lazy_server.py` prepares what is offered when it is asked for.
"""
