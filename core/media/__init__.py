"""What can be heard and seen in a recording: its words, and pictures out of a video, found out on this machine.

`recording.py` asks, `recording_child.py` does it in a process that may be killed: a file of a few bytes can claim to
last for years. The models and decoders are the extra `voice`; without it everything here says so in one sentence.
"""
