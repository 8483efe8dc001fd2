"""How the machine and this process are doing: read by one recorder, for a terminal, the metrics, the page and the bot.

May import what is below the doors, and no door. `system.py` asks the system, `recorder.py` puts it together with what
Moot knows of itself, `bounds.py` says what is too much. Another figure is a field of `Vitals`; one that has a bound is
a line of `BOUNDS`.
"""
