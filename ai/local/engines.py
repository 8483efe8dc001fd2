"""The engines of all embedded models: one child process for each model that is asked."""

from __future__ import annotations

import threading

from ai.local.engine import LocalEngine
from ai.local.weights import Model
from core.errors import LocalModelError


class LocalEngines:
    """One engine for each model, made when it is first named. Close them in the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engines: dict[str, LocalEngine] = {}
        self._closed = False

    def of(self, model: Model) -> LocalEngine:
        """The engine that serves *model*.

        Raises:
            LocalModelError: They are closed.
        """
        with self._lock:
            if self._closed:
                raise LocalModelError("The local models were closed. Open the app again to use them.")
            return self._engines.setdefault(model.name, LocalEngine(model))

    def close(self) -> None:
        """Stop every model, even while it loads."""
        with self._lock:
            self._closed = True
            engines = list(self._engines.values())
        for engine in engines:
            engine.close()
