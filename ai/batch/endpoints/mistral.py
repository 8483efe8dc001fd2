"""Mistral's Batch API: like OpenAI's, with jobs instead of batches and other words for the states.

Source: https://docs.mistral.ai/capabilities/batch and the API reference's sections "Files" and "Batch" (`BatchJobIn`,
`BatchJobOut`). The guide's section "Pricing" gives a discount of 50%.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from ai.batch.endpoint import RemoteResult, RemoteStatus, Terms, encoded, refused
from ai.batch.endpoints.chat_batches import ChatBatches, chat_outcome, plain_body, with_words
from core.values import Request

_MARK = "moot"
_PAGES = 20
_REASONS = {
    "FAILED": "The provider refused the batch",
    "TIMEOUT_EXCEEDED": "The batch expired before this row was answered.",
    "CANCELLED": "The batch was cancelled before this row was answered.",
}


class Batches(ChatBatches):
    """The batch endpoint of a Mistral account."""

    # "Files": at most 512 MB a file. A job may have a million requests; more and smaller ones end sooner.
    terms = Terms(requests=50_000, bytes=512_000_000, price=0.5)
    marks = True

    def line(self, custom_id: str, request: Request) -> bytes:
        body = plain_body(request, self._settings)
        del body["model"]  # it stands in the job
        return encoded({"custom_id": custom_id, "body": body})

    async def submit(self, mark: str, lines: Sequence[bytes]) -> str:
        job: dict[str, Any] = {
            "input_files": [await self._http.upload(lines)],
            "endpoint": "/v1/chat/completions",
            "model": self._settings.model,
        }
        job |= {"metadata": {_MARK: mark}, "timeout_hours": 24}
        return str((await self._http.post("/batch/jobs", job))["id"])

    async def find(self, mark: str, count: int, since: float) -> list[str]:
        for number in range(_PAGES):
            page = await self._http.get("/batch/jobs", page=number, page_size=100, created_by_me=True)
            jobs = page.get("data") or []
            for job in jobs:
                if (job.get("metadata") or {}).get(_MARK) == mark:
                    return [str(job["id"])]
            if len(jobs) < 100:
                break
        return []

    async def status(self, id: str) -> RemoteStatus:
        job = await self._http.get(f"/batch/jobs/{id}")
        status, done = job["status"], job.get("completed_requests") or 0
        if status not in ("SUCCESS", *_REASONS):
            return RemoteStatus(over=False, done=done)
        reason = _REASONS.get(status, "")
        if status == "FAILED":
            reason = with_words(reason, job.get("errors"))
        return RemoteStatus(over=True, done=done, reason=reason)

    async def results(self, id: str) -> AsyncIterator[RemoteResult]:
        job = await self._http.get(f"/batch/jobs/{id}")
        async for result in self._http.file_results((job.get("output_file"), job.get("error_file")), self._result):
            yield result

    async def cancel(self, id: str) -> None:
        await self._http.post(f"/batch/jobs/{id}/cancel")

    def _result(self, row: dict[str, Any]) -> RemoteResult:
        if error := row.get("error"):
            return RemoteResult(row["custom_id"], refused(self._settings.who, error))
        return RemoteResult(row["custom_id"], chat_outcome(self._settings, row.get("response") or {}))
