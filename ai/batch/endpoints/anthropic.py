"""Anthropic's Message Batches: all requests in one body, results as lines once the whole batch has ended.

Source: https://platform.claude.com/docs/en/build-with-claude/batch-processing and the API reference's section "Message
Batches". Section "Pricing": half of the standard prices. A batch carries no metadata of ours, so one that was handed
in but not recorded is known by the custom ids in its results.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from ai.batch.endpoint import BatchHTTP, RemoteResult, RemoteStatus, Terms, encoded, folded, refused, unanswered
from ai.client import ignore
from ai.providers.anthropic import build_body
from ai.providers.message_fold import MessageFold
from ai.wire.settings import ClientSettings
from ai.wire.transport import SharedHTTP
from core.values import Request

_PATH = "/v1/messages/batches"
_VERSION = "2023-06-01"
_PAGES = 20
_UNTRIED = {
    "expired": "The batch expired before this row was answered.",
    "canceled": "The batch was cancelled before this row was answered.",
}


class Batches:
    """The batch endpoint of an Anthropic workspace."""

    # Section "Batch limitations": "100,000 Message requests or 256 MB in size, whichever is reached first".
    terms = Terms(requests=100_000, bytes=256_000_000, price=0.5)
    marks = False

    def __init__(self, settings: ClientSettings, http: SharedHTTP) -> None:
        assert settings.endpoint is not None
        key = {"x-api-key": settings.endpoint.api_key, "anthropic-version": _VERSION}
        self._settings = settings
        self._http = BatchHTTP(settings, http, key)

    async def open(self) -> None:
        return

    def line(self, custom_id: str, request: Request) -> bytes:
        assert self._settings.model is not None
        body = build_body(request, self._settings.model, self._settings)
        del body["stream"]
        return encoded({"custom_id": custom_id, "params": body})

    async def submit(self, mark: str, lines: Sequence[bytes]) -> str:
        content = b'{"requests":[' + b",".join(lines) + b"]}"
        return str((await self._http.post(_PATH, content=content))["id"])

    async def find(self, mark: str, count: int, since: float) -> list[str]:
        found: list[str] = []
        query: dict[str, Any] = {"limit": 100}
        for _ in range(_PAGES):
            page = await self._http.get(_PATH, **query)
            recent = [batch for batch in page["data"] if _created(batch) >= since]
            found += [str(batch["id"]) for batch in recent if sum(batch["request_counts"].values()) == count]
            if not page.get("has_more") or len(recent) < len(page["data"]):
                break
            query["after_id"] = page["last_id"]
        return found

    async def status(self, id: str) -> RemoteStatus:
        batch = await self._http.get(f"{_PATH}/{id}")
        counts = batch["request_counts"]
        done = sum(counts.values()) - counts["processing"]
        return RemoteStatus(over=batch["processing_status"] == "ended", done=done)

    async def results(self, id: str) -> AsyncIterator[RemoteResult]:
        async for result in self._http.results(f"{_PATH}/{id}/results", self._result):
            yield result

    async def cancel(self, id: str) -> None:
        await self._http.post(f"{_PATH}/{id}/cancel")

    def _result(self, row: dict[str, Any]) -> RemoteResult:
        who, custom_id, result = self._settings.who, row["custom_id"], row["result"]
        if why := _UNTRIED.get(result["type"]):
            return RemoteResult(custom_id, unanswered(who, why))
        if result["type"] == "errored":
            said = result.get("error") or {}
            return RemoteResult(custom_id, refused(who, said.get("error") or said))
        return RemoteResult(custom_id, folded(MessageFold(who, self._settings.model or "", ignore), result["message"]))


def _created(batch: dict[str, Any]) -> float:
    return datetime.fromisoformat(batch["created_at"]).timestamp()
