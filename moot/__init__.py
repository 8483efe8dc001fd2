"""Moot for programs: ask other AIs, one, many at once, or a panel that debates and comes to a verdict.

import moot

answer = await moot.ask("What is 2+2?", ai="gpt")
print(answer.text)

async with moot.open() as m:  # one open Moot for many calls
    verdict = await m.debate("Tabs or spaces?", ais=["gpt", "claude"])

The same without an event loop is `moot.sync`; `moot.testing` has AIs that follow a script. Everything here is imported
when it is first used: importing this package costs nothing. It may import everything below, and nothing imports it.
"""

TYPE_CHECKING = False  # `typing` alone costs a third of a bare interpreter, and `moot serve` comes through here
if TYPE_CHECKING:
    from typing import Any

    from ai.agents.agent import Agent
    from ai.agents.executor import ToolExecutor
    from ai.agents.figures import AgentMetrics
    from ai.agents.function_tools import FunctionTool, tool
    from ai.agents.offered import ToolExecutionResult, Tools
    from ai.articles import ArticleProcessor, AsyncArticleProcessor, create_async_client, create_from_config
    from ai.client import AIClient, AsyncAIClient, Emit, TextStream
    from ai.providers.catalog import Provider
    from ai.runs.run import Run
    from ai.wire.settings import Quirks
    from core.errors import (
        AIError,
        AITimeoutError,
        AnswerError,
        ApprovalNeededError,
        AsyncUnavailableError,
        AuthenticationError,
        BadResponseError,
        BudgetExceededError,
        CircuitOpenError,
        CommandFailedError,
        ConfigError,
        ConnectionFailedError,
        ContentFilteredError,
        ContextTooLongError,
        ElsewhereError,
        EmptyAnswerError,
        ForbiddenError,
        ForgottenJobError,
        InvalidInputError,
        LocalModelError,
        LostJobError,
        MissingKeyError,
        ModelNotFoundError,
        MootError,
        NoAnswerError,
        NotLocalError,
        NotUsableError,
        OverloadedError,
        PartialPanelError,
        ProviderError,
        QuotaExceededError,
        RateLimitedError,
        RefusedError,
        RequestRejectedError,
        ServerError,
        StoreError,
        TruncatedError,
        UnknownAIError,
        UnknownJobError,
    )
    from core.events import (
        CallFailed,
        CallFellBack,
        CallFinished,
        CallRetrying,
        CallStarted,
        CallWaiting,
        Event,
        RunFinished,
        RunStarted,
        Sink,
        StepDone,
        Token,
        ToolFinished,
        ToolStarted,
    )
    from core.jobs.approvals import Approval
    from core.values import (
        Answer,
        Deadlines,
        Effort,
        Failure,
        FinishReason,
        Image,
        Message,
        Outcome,
        Part,
        Priority,
        Reasoning,
        Request,
        RequestOptions,
        Response,
        Text,
        ToolCall,
        ToolChoice,
        ToolResult,
        ToolSpec,
        Usage,
    )
    from moot import sync, testing
    from moot.calls import call_ai, call_ai_async, call_multiple_ais, create_async_ai_client
    from moot.client import Moot, open  # noqa: A004 - read as moot.open
    from moot.listening import subscribe
    from moot.recipes import agent, ask, ask_many, batch, consensus, debate, judge, review
    from tools.agent import AgentReply
    from tools.ask_many import Replies
    from tools.batching.spec import BatchReport
    from tools.debating.result import Debate
    from tools.judge import Judged
    from tools.judging.judgement import Judgement
    from tools.recipe.kit import Cost, Reply, Said
    from tools.recipe.result import Result
    from tools.review import Finding, Review
    from tools.voting.result import Consensus

__all__ = [
    "AIClient",
    "AIError",
    "AITimeoutError",
    "Agent",
    "AgentMetrics",
    "AgentReply",
    "Answer",
    "AnswerError",
    "Approval",
    "ApprovalNeededError",
    "ArticleProcessor",
    "AsyncAIClient",
    "AsyncArticleProcessor",
    "AsyncUnavailableError",
    "AuthenticationError",
    "BadResponseError",
    "BatchReport",
    "BudgetExceededError",
    "CallFailed",
    "CallFellBack",
    "CallFinished",
    "CallRetrying",
    "CallStarted",
    "CallWaiting",
    "CircuitOpenError",
    "CommandFailedError",
    "ConfigError",
    "ConnectionFailedError",
    "Consensus",
    "ContentFilteredError",
    "ContextTooLongError",
    "Cost",
    "Deadlines",
    "Debate",
    "Effort",
    "ElsewhereError",
    "Emit",
    "EmptyAnswerError",
    "Event",
    "Failure",
    "Finding",
    "FinishReason",
    "ForbiddenError",
    "ForgottenJobError",
    "FunctionTool",
    "Image",
    "InvalidInputError",
    "Judged",
    "Judgement",
    "LocalModelError",
    "LostJobError",
    "Message",
    "MissingKeyError",
    "ModelNotFoundError",
    "Moot",
    "MootError",
    "NoAnswerError",
    "NotLocalError",
    "NotUsableError",
    "Outcome",
    "OverloadedError",
    "Part",
    "PartialPanelError",
    "Priority",
    "Provider",
    "ProviderError",
    "Quirks",
    "QuotaExceededError",
    "RateLimitedError",
    "Reasoning",
    "RefusedError",
    "Replies",
    "Reply",
    "Request",
    "RequestOptions",
    "RequestRejectedError",
    "Response",
    "Result",
    "Review",
    "Run",
    "RunFinished",
    "RunStarted",
    "Said",
    "ServerError",
    "Sink",
    "StepDone",
    "StoreError",
    "Text",
    "TextStream",
    "Token",
    "ToolCall",
    "ToolChoice",
    "ToolExecutionResult",
    "ToolExecutor",
    "ToolFinished",
    "ToolResult",
    "ToolSpec",
    "ToolStarted",
    "Tools",
    "TruncatedError",
    "UnknownAIError",
    "UnknownJobError",
    "Usage",
    "agent",
    "ask",
    "ask_many",
    "batch",
    "call_ai",
    "call_ai_async",
    "call_multiple_ais",
    "consensus",
    "create_async_ai_client",
    "create_async_client",
    "create_from_config",
    "debate",
    "judge",
    "open",
    "review",
    "subscribe",
    "sync",
    "testing",
    "tool",
]


if not TYPE_CHECKING:  # who has a checker is told of names that are not there

    def __getattr__(name: str) -> "Any":
        """Import *name* when it is first used."""
        from importlib import import_module

        if name in ("sync", "testing"):
            return import_module(f"{__name__}.{name}")
        from moot.homes import HOMES

        home = next((module for module, names in HOMES.items() if name in names), None)
        if home is None:
            raise AttributeError(f"module 'moot' has no attribute {name!r}")
        from core.names.naming import module_name

        found = globals()[name] = getattr(import_module(module_name(home)), name)
        return found


def __dir__() -> "list[str]":
    return __all__
