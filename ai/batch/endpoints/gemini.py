"""Gemini's batch mode through the SDK: all requests inside one job, the answers inside the job once it has ended.

Source: https://ai.google.dev/gemini-api/docs/batch-api, sections "Inline requests" and "Job states"; "Pricing": half of
the standard price. A job ends by itself within 48 hours.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import anyio.to_thread

from ai.batch.endpoint import RemoteResult, RemoteStatus, Terms, folded, refused
from ai.client import ignore
from ai.lazy import load
from ai.providers.gemini import GeminiFold, as_config, build_sdk, gemini_errors
from ai.providers.gemini_body import build_config, build_contents
from ai.wire.classify.failure import not_an_answer
from ai.wire.settings import ClientSettings
from ai.wire.transport import SharedHTTP
from core.errors import AIError
from core.values import Request, Response

if TYPE_CHECKING:
    from google import genai
    from google.genai import types

_REASONS = {
    "JOB_STATE_FAILED": "The provider could not run the batch.",
    "JOB_STATE_EXPIRED": "The batch expired before this row was answered.",
    "JOB_STATE_CANCELLED": "The batch was cancelled before this row was answered.",
}
_OVER = {"JOB_STATE_SUCCEEDED", "JOB_STATE_PARTIALLY_SUCCEEDED", *_REASONS}


class Batches:
    """The batch mode of a Gemini API project."""

    # "Inline requests": less than 20 MB in all; what is counted here grows a little on the wire.
    terms = Terms(requests=20_000, bytes=16_000_000, price=0.5)
    marks = True

    def __init__(self, settings: ClientSettings, http: SharedHTTP) -> None:
        self._settings = settings
        self._http = http
        self._sdk: genai.Client | None = None

    async def open(self) -> None:
        if self._sdk is None:
            await load("google.genai")
            self._sdk = await anyio.to_thread.run_sync(build_sdk, self._settings, self._settings.at(), self._http)

    def line(self, custom_id: str, request: Request) -> bytes:
        from google.genai import types

        config = as_config(build_config(request, self._settings))
        asked = types.InlinedRequest.model_validate(
            {"contents": build_contents(request), "config": config, "metadata": {"key": custom_id}}
        )
        return asked.model_dump_json(exclude_none=True).encode()

    async def submit(self, mark: str, lines: Sequence[bytes]) -> str:
        from google.genai import types

        asked = [types.InlinedRequest.model_validate_json(line) for line in lines]
        assert self._settings.model is not None
        with gemini_errors(self._settings.who):
            job = await self._client.aio.batches.create(
                model=self._settings.model, src=asked, config=types.CreateBatchJobConfig(display_name=mark)
            )
        return self._named(job)

    async def find(self, mark: str, count: int, since: float) -> list[str]:
        with gemini_errors(self._settings.who):
            async for job in await self._client.aio.batches.list():
                if job.display_name == mark:
                    return [self._named(job)]
                if job.create_time is not None and job.create_time.timestamp() < since:
                    break
        return []

    async def status(self, id: str) -> RemoteStatus:
        state = (await self._job(id)).state
        name = state.value if state is not None else ""
        return RemoteStatus(over=name in _OVER, done=0, reason=_REASONS.get(name, ""))

    async def results(self, id: str) -> AsyncIterator[RemoteResult]:
        job = await self._job(id)
        for one in (job.dest and job.dest.inlined_responses) or ():
            yield RemoteResult((one.metadata or {}).get("key", ""), self._outcome(one))

    async def cancel(self, id: str) -> None:
        with gemini_errors(self._settings.who):
            await self._client.aio.batches.cancel(name=id)

    @property
    def _client(self) -> genai.Client:
        assert self._sdk is not None, "open() comes first"
        return self._sdk

    async def _job(self, id: str) -> types.BatchJob:
        with gemini_errors(self._settings.who):
            return await self._client.aio.batches.get(name=id)

    def _outcome(self, one: types.InlinedResponse) -> Response | AIError:
        who = self._settings.who
        if one.error is not None:
            return refused(who, {"message": one.error.message}, _http_status(one.error.code))
        if one.response is None:
            return not_an_answer(who, "")
        fold = GeminiFold(who, self._settings.model or "", ignore)
        return folded(fold, one.response.model_dump(mode="json", by_alias=True, exclude_none=True))

    def _named(self, job: types.BatchJob) -> str:
        if not job.name:
            raise not_an_answer(self._settings.who, "")
        return job.name


def _http_status(code: int | None) -> int:
    """The HTTP status for a canonical code of google.rpc.Code, where they differ in kind."""
    return {3: 400, 5: 404, 7: 403, 8: 429, 9: 400, 11: 400, 14: 503, 16: 401}.get(code or 0, 500)
