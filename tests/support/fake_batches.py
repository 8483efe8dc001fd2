"""Batch endpoints on loopback, of OpenAI, Mistral, Anthropic and Gemini, strict about what they are sent.

    python fake_batches.py            prints its base URL, serves until stdin closes

The words of a prompt say what becomes of it: `expire` and `skip` (no result at all), `refuse` (an error object), `cut`
(an answer that is empty at max_tokens), `garble` (a line that is not as documented); anything else is answered with
`answer to PROMPT`. While `held`, no batch ends; `deaf` creations are accepted and the connection is dropped.
GET /tally says how many batches were accepted.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}


@dataclass
class FakeBatch:
    kind: str
    requests: dict[str, dict[str, Any]]
    metadata: dict[str, str] = field(default_factory=dict)
    created: float = field(default_factory=time.time)
    ending: str = ""
    """How it ends, if not well: failed, expired or cancelled."""
    looks: int = 0


@dataclass
class FakeBatches:
    """What was handed in, by id in the order it came."""

    batches: dict[str, FakeBatch] = field(default_factory=dict)
    files: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    held: bool = False
    deaf: int = 0
    troubles: list[int] = field(default_factory=list)
    """Statuses with which the next looks at a batch are answered."""
    ending: str = ""
    base_url: str = ""
    looked: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def prompts(self) -> list[str]:
        return [prompt(body) for batch in self.batches.values() for body in batch.requests.values()]

    async def start(self) -> web.AppRunner:
        app = web.Application(client_max_size=2**28)
        app.add_routes(
            [
                web.get("/tally", self._tally),
                web.post("/v1/files", self._upload),
                web.get("/v1/files/{id}/content", self._content),
                web.post("/v1/batches", self._create_openai),
                web.get("/v1/batches", self._list),
                web.get("/v1/batches/{id}", self._show),
                web.post("/v1/batches/{id}/cancel", self._cancel),
                web.post("/v1/batch/jobs", self._create_mistral),
                web.get("/v1/batch/jobs", self._list),
                web.get("/v1/batch/jobs/{id}", self._show),
                web.post("/v1/batch/jobs/{id}/cancel", self._cancel),
                web.post("/v1/messages/batches", self._create_anthropic),
                web.get("/v1/messages/batches", self._list),
                web.get("/v1/messages/batches/{id}", self._show),
                web.get("/v1/messages/batches/{id}/results", self._results),
                web.post("/v1/messages/batches/{id}/cancel", self._cancel),
                web.post("/gemini/v1/models/{rest}", self._create_gemini),
                web.get("/gemini/v1/batches", self._list),
                web.get("/gemini/v1/batches/{id}", self._show),
                web.post("/gemini/v1/batches/{id}:cancel", self._cancel),
            ]
        )
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def _tally(self, request: web.Request) -> web.Response:
        return web.json_response({"batches": len(self.batches), "looks": sum(b.looks for b in self.batches.values())})

    async def _upload(self, request: web.Request) -> web.Response:
        check(request.headers["authorization"] == "Bearer k", "authorization")
        form = await request.post()
        check(form["purpose"] == "batch", "purpose")
        file = form["file"]
        check(isinstance(file, web.FileField), "file")
        lines = [json.loads(line) for line in file.file.read().decode().splitlines()]  # type: ignore[union-attr]
        name = f"file-{len(self.files)}"
        self.files[name] = lines
        return web.json_response({"id": name, "object": "file", "purpose": "batch"})

    async def _create_openai(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        check(set(asked) == {"input_file_id", "endpoint", "completion_window", "metadata"}, "fields")
        check(asked["endpoint"] == "/v1/chat/completions" and asked["completion_window"] == "24h", "endpoint")
        lines = self.files[asked["input_file_id"]]
        for line in lines:
            check(set(line) == {"custom_id", "method", "url", "body"} and line["method"] == "POST", "line")
            check(line["url"] == "/v1/chat/completions" and "model" in line["body"], "body")
        return await self._created(request, "openai", lines, "body", asked["metadata"])

    async def _create_mistral(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        check(set(asked) == {"input_files", "endpoint", "model", "metadata", "timeout_hours"}, "fields")
        lines = self.files[asked["input_files"][0]]
        check(all(set(line) == {"custom_id", "body"} and "model" not in line["body"] for line in lines), "line")
        return await self._created(request, "mistral", lines, "body", asked["metadata"])

    async def _create_anthropic(self, request: web.Request) -> web.StreamResponse:
        check(request.headers["x-api-key"] == "k" and request.headers["anthropic-version"] == "2023-06-01", "headers")
        asked = await request.json()
        check(set(asked) == {"requests"}, "fields")
        lines = asked["requests"]
        check(all(set(line) == {"custom_id", "params"} and line["params"]["max_tokens"] > 0 for line in lines), "line")
        return await self._created(request, "anthropic", lines, "params", {})

    async def _create_gemini(self, request: web.Request) -> web.StreamResponse:
        check(request.headers["x-goog-api-key"] == "k", "key")
        check(request.match_info["rest"].endswith(":batchGenerateContent"), "path")
        batch = (await request.json())["batch"]
        check(set(batch) == {"displayName", "inputConfig"}, "fields")
        lines = batch["inputConfig"]["requests"]["requests"]
        check(all(set(line) == {"request", "metadata"} and set(line["metadata"]) == {"key"} for line in lines), "line")
        named = [{"custom_id": line["metadata"]["key"], "request": line["request"]} for line in lines]
        return await self._created(request, "gemini", named, "request", {"moot": batch["displayName"]})

    async def _created(
        self, request: web.Request, kind: str, lines: list[dict[str, Any]], part: str, metadata: dict[str, str]
    ) -> web.StreamResponse:
        ids = [line["custom_id"] for line in lines]
        check(len(set(ids)) == len(ids) > 0 and all(_ID.fullmatch(one) for one in ids), "custom_id")
        check(not any("stream" in line[part] or "stream_options" in line[part] for line in lines), "stream")
        name = f"batch-{len(self.batches)}"
        requests = {line["custom_id"]: line[part] for line in lines}
        self.batches[name] = FakeBatch(kind, requests, metadata, ending=self.ending)
        if self.deaf:
            self.deaf -= 1
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(self._shown(name))

    async def _list(self, request: web.Request) -> web.Response:
        kind = {"batches": "openai", "jobs": "mistral"}.get(request.path.split("/")[-1], "")
        kind = "anthropic" if "/messages/" in request.path else "gemini" if "/gemini/v1/" in request.path else kind
        names = [name for name, batch in reversed(self.batches.items()) if batch.kind == kind]
        data = [self._shown(name) for name in names]
        if kind == "gemini":
            return web.json_response({"operations": data})
        return web.json_response({"data": data, "has_more": False, "last_id": names[-1] if names else None})

    async def _show(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if (refusal := self._refusal(name)) is not None:
            return refusal
        self.batches[name].looks += 1
        self.looked.set()
        return web.json_response(self._shown(name))

    async def _cancel(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if (refusal := self._refusal(name)) is not None:
            return refusal
        if not self.held:
            return web.json_response({"error": {"message": "it has ended"}}, status=409)
        self.batches[name].ending = "cancelled"
        return web.json_response(self._shown(name))

    def _refusal(self, name: str) -> web.Response | None:
        if self.troubles:
            return web.json_response({"error": {"message": "try later"}}, status=self.troubles.pop(0))
        if name not in self.batches:
            return web.json_response({"error": {"message": "no such batch"}}, status=404)
        return None

    def _shown(self, name: str) -> dict[str, Any]:
        batch = self.batches[name]
        total, over = len(batch.requests), not self.held or batch.ending == "cancelled"
        if batch.kind == "anthropic":
            counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
            counts["succeeded" if over else "processing"] = total
            status = "ended" if over else "in_progress"
            created = datetime.fromtimestamp(batch.created, UTC).isoformat()
            return {"id": name, "processing_status": status, "request_counts": counts, "created_at": created}
        if batch.kind == "gemini":
            return gemini_shown(name, batch, over=over)
        shown: dict[str, Any] = {"id": name, "metadata": batch.metadata, "created_at": int(batch.created)}
        if batch.kind == "mistral":
            endings = {"failed": "FAILED", "expired": "TIMEOUT_EXCEEDED", "cancelled": "CANCELLED", "": "SUCCESS"}
            shown |= {"status": endings[batch.ending] if over else "RUNNING", "total_requests": total}
            shown |= {"completed_requests": total if over else 0, "errors": [{"message": "bad file", "count": 1}]}
            return shown | {"output_file": f"out-{name}" if over else None, "error_file": None}
        shown |= {"status": (batch.ending or "completed") if over else "in_progress"}
        shown |= {"request_counts": {"total": total, "completed": total if over else 0, "failed": 0}}
        shown |= {"errors": {"data": [{"message": "bad file"}]} if batch.ending == "failed" else None}
        return shown | {"output_file_id": f"out-{name}", "error_file_id": f"err-{name}"} if over else shown

    async def _content(self, request: web.Request) -> web.Response:
        part, _, name = request.match_info["id"].partition("-")
        batch = self.batches[name]
        rows = [chat_row(one, body, batch) for one, body in reversed(batch.requests.items())]
        split = batch.kind == "openai"
        wanted = [row for row in rows if row is not None and (not split or (part == "err") == bool(row.get("error")))]
        return web.Response(text="".join(json.dumps(row) + "\n" for row in wanted))

    async def _results(self, request: web.Request) -> web.Response:
        batch = self.batches[request.match_info["id"]]
        rows = [message_row(one, body, batch) for one, body in reversed(batch.requests.items())]
        return web.Response(text="".join(json.dumps(row) + "\n" for row in rows if row is not None))


def check(holds: bool, what: str) -> None:
    if not holds:
        raise web.HTTPBadRequest(text=json.dumps({"error": {"message": f"unexpected {what}"}}))


def prompt(body: dict[str, Any]) -> str:
    if "contents" in body:
        return str(body["contents"][-1]["parts"][0]["text"])
    content = body["messages"][-1]["content"]
    return str(content if isinstance(content, str) else content[0]["text"])


def chat_row(id: str, body: dict[str, Any], batch: FakeBatch) -> dict[str, Any] | None:
    asked = prompt(body)
    if "skip" in asked or (batch.ending and batch.ending != "expired"):
        return None
    if "garble" in asked:
        return {"custom_id": id, "response": ["what"]}
    if "expire" in asked:
        return {"custom_id": id, "response": None, "error": {"code": "batch_expired", "message": "too late"}}
    if "refuse" in asked:
        refusal = {"error": {"message": "not this", "type": "invalid_request_error"}}
        return {"custom_id": id, "response": {"status_code": 400, "body": refusal}, "error": None}
    cut = "cut" in asked
    message = {"role": "assistant", "content": "" if cut else f"answer to {asked}"}
    choices = [{"index": 0, "message": message, "finish_reason": "length" if cut else "stop"}]
    answer = {"id": "c", "model": body.get("model", "m"), "choices": choices, "usage": _USAGE}
    return {"custom_id": id, "response": {"status_code": 200, "request_id": "r", "body": answer}, "error": None}


def gemini_shown(name: str, batch: FakeBatch, *, over: bool) -> dict[str, Any]:
    state = (batch.ending or "succeeded").upper() if over else "RUNNING"
    created = datetime.fromtimestamp(batch.created, UTC).isoformat()
    metadata = {"displayName": batch.metadata["moot"], "state": f"BATCH_STATE_{state}", "createTime": created}
    if over and not batch.ending:
        rows = [gemini_row(one, body) for one, body in reversed(batch.requests.items())]
        found = [row for row in rows if row is not None]
        metadata |= {"output": {"inlinedResponses": {"inlinedResponses": found}}}  # type: ignore[dict-item]
    return {"name": f"batches/{name}", "metadata": metadata, "done": over}


def gemini_row(id: str, body: dict[str, Any]) -> dict[str, Any] | None:
    asked = prompt(body)
    row: dict[str, Any] = {"metadata": {"key": id}}
    if "skip" in asked:
        return None
    if "refuse" in asked:
        return row | {"error": {"code": 3, "message": "not this"}}
    if "garble" in asked:
        return row
    cut = "cut" in asked
    parts = [] if cut else [{"text": f"answer to {asked}"}]
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "MAX_TOKENS" if cut else "STOP"}
    usage = {"promptTokenCount": 100, "candidatesTokenCount": 10, "totalTokenCount": 110}
    return row | {"response": {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-4-argon"}}


def message_row(id: str, body: dict[str, Any], batch: FakeBatch) -> dict[str, Any] | None:
    asked = prompt(body)
    if "skip" in asked:
        return None
    result: dict[str, Any] = {"type": "succeeded"}
    if batch.ending == "cancelled" or "expire" in asked:
        result = {"type": "canceled" if batch.ending == "cancelled" else "expired"}
    elif "refuse" in asked:
        error = {"type": "invalid_request_error", "message": "not this"}
        result = {"type": "errored", "error": {"type": "error", "error": error}}
    elif "garble" not in asked:
        cut = "cut" in asked
        content = [] if cut else [{"type": "text", "text": f"answer to {asked}"}]
        usage = {"input_tokens": 100, "output_tokens": 10}
        stop = "max_tokens" if cut else "end_turn"
        result["message"] = {"model": body["model"], "content": content, "stop_reason": stop, "usage": usage}
    return {"custom_id": id, "result": result}


async def _main() -> None:
    fake = FakeBatches()
    runner = await fake.start()
    print(fake.base_url, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_main())
