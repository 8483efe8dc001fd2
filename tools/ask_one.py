"""Ask one AI."""

from __future__ import annotations

from functools import partial

from ai.runs.run import Run
from core.values import Failure
from tools.recipe.context import gather
from tools.recipe.kit import (
    AIName,
    AnswerSchema,
    Before,
    DryRun,
    EffortLevel,
    Files,
    Images,
    MaxTokens,
    Prompt,
    Reply,
    RoleName,
    System,
    Temperature,
    Thread,
    TimeoutS,
    all_failed,
    build_request,
    noted,
    only_one,
    plan,
    refusal,
)
from tools.recipe.structured import check_schema, fitting


async def ask_one(
    run: Run,
    prompt: Prompt,
    *,
    ai: AIName = None,
    role: RoleName = None,
    files: Files = None,
    images: Images = None,
    thread: Thread = None,
    system: System = None,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    effort: EffortLevel = None,
    timeout_s: TimeoutS = None,
    schema: AnswerSchema = None,
    history: Before = None,
    dry_run: DryRun = False,
) -> Reply:
    """Get a second opinion: ask one other AI (GPT, Claude, Gemini, Grok, ...) and return its answer."""
    await check_schema(schema)
    name = only_one(run.roster, ai)
    context = await gather(
        run, [name], role=role, system=system, files=files, images=images, thread=thread, question=prompt
    )
    context = context.after(history)
    make = partial(
        build_request,
        roster=run.roster,
        ai=name,
        json_schema=schema,
        timeout_s=timeout_s,
        temperature=temperature,
        max_tokens=max_tokens,
        effort=effort,
    )
    request, note = context.request(run, name, prompt, make)
    receipt = context.lines()
    if dry_run:
        estimates = await plan(run, [(name, request)])
        reply = noted(Reply.planned(*estimates), await refusal(run, estimates))
        return noted(reply, note).but(sent_along=receipt)
    (outcome,) = await run.ask_many([(name, request)])
    if isinstance(outcome, Failure):
        if not outcome.error.partial:
            raise all_failed([outcome])
    else:
        receipt = await context.keep(run, "ask_one", prompt, [(name, outcome.text)])
    return noted(await fitting(Reply.of(outcome, run.roster), schema), note).but(sent_along=receipt)
