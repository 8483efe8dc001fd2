"""OpenAI's Batch API: a file of requests, a batch over it, files of answers and errors.

Source: https://developers.openai.com/api/docs/guides/batch and the API reference's sections "Files" and "Batch". One
request of a batch costs half of an ordinary one ("Overview: 50% cost discount compared to synchronous APIs").
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from ai.batch.endpoint import RemoteResult, RemoteStatus, Terms, encoded, refused, unanswered
from ai.batch.endpoints.chat_batches import ChatBatches, chat_outcome, plain_body, with_words
from core.values import Request

_ENDPOINT = "/v1/chat/completions"
_MARK = "moot"
_PAGES = 20
_REASONS = {
    "failed": "The provider refused the batch",
    "expired": "The batch expired before this row was answered.",
    "cancelled": "The batch was cancelled before this row was answered.",
}


class Batches(ChatBatches):
    """The batch endpoint of an OpenAI account."""

    # API reference, "Create batch": input_file_id ("up to 50,000 requests, and can be up to 200 MB in size").
    terms = Terms(requests=50_000, bytes=200_000_000, price=0.5)
    marks = True

    def line(self, custom_id: str, request: Request) -> bytes:
        body = plain_body(request, self._settings)
        return encoded({"custom_id": custom_id, "method": "POST", "url": _ENDPOINT, "body": body})

    async def submit(self, mark: str, lines: Sequence[bytes]) -> str:
        batch = {"input_file_id": await self._http.upload(lines), "endpoint": _ENDPOINT, "completion_window": "24h"}
        return str((await self._http.post("/batches", batch | {"metadata": {_MARK: mark}}))["id"])

    async def find(self, mark: str, count: int, since: float) -> list[str]:
        query: dict[str, Any] = {"limit": 100}
        for _ in range(_PAGES):
            page = await self._http.get("/batches", **query)
            for batch in page["data"]:
                if (batch.get("metadata") or {}).get(_MARK) == mark:
                    return [str(batch["id"])]
            if not page.get("has_more") or page["data"][-1]["created_at"] < since:
                break
            query["after"] = page["data"][-1]["id"]
        return []

    async def status(self, id: str) -> RemoteStatus:
        batch = await self._http.get(f"/batches/{id}")
        counts, status = batch.get("request_counts") or {}, batch["status"]
        done = counts.get("completed", 0) + counts.get("failed", 0)
        if status not in ("completed", *_REASONS):
            return RemoteStatus(over=False, done=done)
        reason = _REASONS.get(status, "")
        if status == "failed":
            reason = with_words(reason, (batch.get("errors") or {}).get("data"))
        return RemoteStatus(over=True, done=done, reason=reason)

    async def results(self, id: str) -> AsyncIterator[RemoteResult]:
        batch = await self._http.get(f"/batches/{id}")
        files = (batch.get("output_file_id"), batch.get("error_file_id"))
        async for result in self._http.file_results(files, self._result):
            yield result

    async def cancel(self, id: str) -> None:
        await self._http.post(f"/batches/{id}/cancel")

    def _result(self, row: dict[str, Any]) -> RemoteResult:
        who = self._settings.who
        response, error = row.get("response") or {}, row.get("error")
        if error and error.get("code") in ("batch_expired", "batch_cancelled"):
            return RemoteResult(row["custom_id"], unanswered(who, _REASONS[error["code"].removeprefix("batch_")]))
        if error:
            return RemoteResult(row["custom_id"], refused(who, error))
        return RemoteResult(row["custom_id"], chat_outcome(self._settings, response))
