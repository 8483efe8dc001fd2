"""The program under test: the clone's, or the installed one where the suite runs against a wheel."""

from __future__ import annotations

from server.entry import ENTRY as _ENTRY

ENTRY = str(_ENTRY)
"""The file that Python runs to start Moot."""
