"""The client's half of MCP's tasks: takes a task for a call's result, and polls it to its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import anyio
from mcp import types
from mcp.client import ClaimContext, ClientExtension, ClientSession, ResultClaim
from mcp.shared.exceptions import MCPError
from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from server.mcp_server.tasks import TASKS

_POLL_S = 0.02


class Params(types.RequestParams):
    task_id: str
    input_responses: dict[str, Any] | None = None


class TaskRequest(types.Request[Params, str]):
    params: Params
    name_param = "taskId"
    """Over HTTP, the parameter that the header Mcp-Name repeats."""


class _Shown(types.Result):
    """What is told of a task in every message."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    task_id: str
    status: Literal["working", "input_required", "completed", "cancelled", "failed"]
    status_message: str
    created_at: str
    last_updated_at: str
    ttl_ms: int
    poll_interval_ms: int


class NewTask(_Shown):
    """What a call is answered with when it becomes a task."""

    result_type: Literal["task"] = "task"


class Task(_Shown):
    """A task as `tasks/get` shows it."""

    result_type: Literal["complete"]
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    input_requests: dict[str, Any] | None = None


async def send(session: ClientSession, method: str, task: str, **more: Any) -> types.Result:
    """One request about a task; Task for `tasks/get`."""
    request = TaskRequest(method=method, params=Params(task_id=task, **more))
    return await session.send_request(request, Task if method == "tasks/get" else types.EmptyResult)


class TasksClient(ClientExtension):
    """Polls far more often than it is told to, so that tests are quick.

    Args:
        answer: What the user says to a task's question, by the question's message.
    """

    identifier = TASKS

    def __init__(self, answer: Callable[[str], dict[str, Any]] | None = None) -> None:
        self._answer = answer
        self.new: list[NewTask] = []
        self.seen: list[Task] = []
        self.started = anyio.Event()
        """Set once there is a task."""

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=NewTask, resolve=self._resolve)]

    async def _resolve(self, new: NewTask, ctx: ClaimContext) -> types.CallToolResult:
        self.new.append(new)
        self.started.set()
        try:
            return await self.finish(new.task_id, ctx.session)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await send(ctx.session, "tasks/cancel", new.task_id)
            raise

    async def finish(self, id: str, session: ClientSession) -> types.CallToolResult:
        """The result of a task, once it is there.

        Raises:
            MCPError: It failed or was cancelled.
        """
        while True:
            task = await send(session, "tasks/get", id)
            assert isinstance(task, Task)
            self.seen.append(task)
            match task.status:
                case "completed":
                    return types.CallToolResult.model_validate(task.result, by_name=False)
                case "failed":
                    assert task.error
                    raise MCPError(**task.error)
                case "cancelled":
                    raise MCPError(code=-32000, message="cancelled")
                case "input_required":
                    assert self._answer and task.input_requests
                    answers = {
                        name: self._answer(request["params"]["message"])
                        for name, request in task.input_requests.items()
                    }
                    await send(session, "tasks/update", id, input_responses=answers)
            await anyio.sleep(_POLL_S)
