"""Keys and hosts: `moot connect`, `moot keys`, `moot init`. A host is a row in `hosts.py`."""
