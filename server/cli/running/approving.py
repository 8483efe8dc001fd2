"""A person at the terminal says whether an agent's tool may be called."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import anyio
import anyio.to_thread

from core.errors import InvalidInputError
from core.jobs.approvals import Approval
from core.jobs.jobs import Jobs
from core.untrusted import one_line, visible
from server.cli.options import NONE, OK, note, print_json
from server.cli.running.workers import start_worker_here
from server.streams import is_terminal


def can_ask() -> bool:
    """Whether somebody sits at a terminal, to read a question and to answer it."""
    return sys.stdin is not None and sys.stdin.isatty() and is_terminal(sys.stderr)


async def asked(approval: Approval) -> bool:
    """What the person answers; anything but yes is no."""
    return await anyio.to_thread.run_sync(_ask, approval, abandon_on_cancel=True)


def answer_job(said: str, yes: bool | None, question: str | None, *, as_json: bool) -> int:
    """Answer what the job *said* waits for, *yes* or by asking, and have it go on; the exit code."""
    answered = anyio.run(_answer, said, yes, question)
    if as_json:
        print_json(
            [{"id": one.id, "tool": one.tool, "arguments": one.arguments, "yes": word} for one, word in answered]
        )
    elif not answered:
        note(f"job {said} waits for no answer.")
    for one, word in () if as_json else answered:
        note(f"{'allowed' if word else 'refused'}: {one_line(one.tool)}. To follow the job: moot jobs watch {said}")
    if answered:
        start_worker_here()
    return OK if answered else NONE


async def _answer(said: str, yes: bool | None, question: str | None) -> list[tuple[Approval, bool]]:
    jobs = Jobs()
    try:
        job = await jobs.named(said)
        standing = _chosen(await jobs.approvals(job), question, yes)
        answered = []
        for one in standing:
            if yes is None and not can_ask():
                raise InvalidInputError(f"{describe(one)} Answer it with --yes or --no.")
            word = await asked(one) if yes is None else yes
            await jobs.approve(job, one.id, yes=word)
            answered.append((one, word))
        return answered
    finally:
        await jobs.aclose()


def _chosen(standing: Sequence[Approval], question: str | None, yes: bool | None) -> Sequence[Approval]:
    if question is not None:
        found = [one for one in standing if one.id == question]
        if not found:
            raise InvalidInputError(
                f"There is no question {question!r}. There are: {', '.join(o.id for o in standing)}."
            )
        return found
    if yes is not None and len(standing) > 1:
        told = "\n".join(f"  {one.id}: {describe(one)}" for one in standing)
        raise InvalidInputError(f"Several calls wait. Name one with --question:\n{told}")
    return standing


def describe(approval: Approval) -> str:
    """The question, with its arguments as far as a line goes."""
    return one_line(approval.sentence(), 1_000)


def _ask(approval: Approval) -> bool:
    sys.stderr.write(f"\n{describe(approval)}\n{_pretty(approval.arguments)}\n[y/N] ")
    sys.stderr.flush()
    _forget_typed_ahead()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _forget_typed_ahead() -> None:
    """Drop what was typed before the question stood there: nobody can have meant it as an answer."""
    try:
        import termios

        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
    except ImportError:  # Windows
        import msvcrt

        while msvcrt.kbhit():  # type: ignore[attr-defined, unused-ignore]
            msvcrt.getch()  # type: ignore[attr-defined, unused-ignore]
    except (OSError, ValueError, termios.error):
        return  # no terminal, so nothing was typed ahead at one


def _pretty(arguments: str) -> str:
    """All of the arguments: whoever says yes has seen what they say yes to."""
    shown = json.dumps(json.loads(arguments), indent=2, ensure_ascii=False)
    return "\n".join(f"  {visible(line)}" for line in shown.split("\n"))
