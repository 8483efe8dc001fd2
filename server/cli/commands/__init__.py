"""What the commands take; each imports click alone until it is run. One is a file here, and a line in `main.py`."""
