"""A conversation in the terminal: what is typed is asked in one thread, what begins with / changes whom, or how."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from core.config import load_config
from core.errors import InvalidInputError, MootError
from core.files.atomic import private_folder
from core.memory.history import chat_lines, days_kept
from core.memory.threads import USER, Threads, Turn, check_name
from core.paths import credentials_path
from server.cli.complete import complete_names
from server.cli.interrupt import forget_interrupt, keyboard_interrupts, one_interrupt_held
from server.cli.options import INTERRUPTED, OK, TAKEN, in_words, note
from server.cli.running.terminal import Last, run_recipe
from server.cli.showing.printing import Shown

_HELP = """/ai NAME,...  ask others: @group, all, NAME/MODEL; alone: who is asked
/model MODEL  another model of the default AI
/panel KIND   answer by consensus or debate; off: by single AIs
/role ROLE    how to work; off: as ever
/file PATH    send it along with the next question
/save FILE    write the conversation
/cost         what it has cost so far
/new          begin anew
/quit         end; so does Ctrl-D"""
_REMEMBERED = 1_000


@dataclass
class Talk:
    """Who talks, and how."""

    ais: list[str]
    thread: str | None
    panel: str | None = None
    role: str | None = None
    files: list[str] = field(default_factory=list)
    asked: dict[str, Any] = field(default_factory=dict)
    """What goes with every question, such as a system prompt."""
    usd: float = 0.0
    complete: bool = True
    """Whether the cost of everything is known."""

    def call(self, text: str) -> tuple[str, dict[str, Any]]:
        """The recipe that answers *text*, and its arguments."""
        asked: dict[str, Any] = {"thread": self.name}
        files, self.files = self.files, []
        asked |= {"files": files} if files else {}
        if self.panel:
            asked |= {name: value for name, value in self.asked.items() if name in TAKEN[self.panel]}
            return self.panel, asked | {"question": text} | ({"ais": self.ais} if self.ais else {})
        asked |= self.asked | {"prompt": text} | ({"role": self.role} if self.role else {})
        if len(self.ais) > 1 or any(name.startswith("@") or name == "all" for name in self.ais):
            return "ask_many", asked | {"ais": self.ais}
        return "ask_one", asked | ({"ai": self.ais[0]} if self.ais else {})

    @property
    def left_out(self) -> list[str]:
        """What the panel does not take of what was said to go with every question."""
        given = [*self.asked, *(["role"] if self.role else [])] if self.panel else []
        return [
            f"--{name.removesuffix('_s').replace('_', '-')}" for name in given if name not in TAKEN[self.panel or ""]
        ]

    @property
    def name(self) -> str:
        """The thread, which is given a name by its first question."""
        if self.thread is None:
            self.thread = datetime.now().astimezone().strftime("chat %Y-%m-%d %H.%M.%S")
        return self.thread


def talk(state: Talk, *, send_secrets: bool) -> int:
    """Answer line by line until Ctrl-D or /quit."""
    if state.thread is not None:
        try:
            check_name(state.thread)
        except InvalidInputError as error:
            note(in_words(str(error)))
            return 2
        _resume(state.thread)
    person = sys.stdin is not None and sys.stdin.isatty()
    if person:
        note(f"talking with {', '.join(state.ais) or 'the default AI'}. /help for more, Ctrl-D to end.")
    with _editing() if person else nullcontext(), one_interrupt_held():
        return _answer_lines(state, person, send_secrets)


def _answer_lines(state: Talk, person: bool, send_secrets: bool) -> int:
    code = OK
    while True:
        forget_interrupt()
        try:
            with keyboard_interrupts():
                line = _line(person)
        except KeyboardInterrupt:
            print(file=sys.stderr)
            continue
        except EOFError:
            if person:
                print(file=sys.stderr)
            return code
        if line.strip().startswith("/"):
            if not _command(state, line.strip()):
                return code
        elif line.strip():
            code = _ask(state, line, send_secrets)


def _line(person: bool) -> str:
    if person:
        return input("> ")
    line = sys.stdin.readline() if sys.stdin is not None else ""
    if not line:
        raise EOFError
    return line


def _ask(state: Talk, text: str, send_secrets: bool) -> int:
    recipe, arguments = state.call(text)
    last = Last()
    code = run_recipe(recipe, arguments, Shown(live=True), send_secrets=send_secrets, last=last)
    state.usd += last.usd or 0
    state.complete = state.complete and last.usd is not None
    if code == INTERRUPTED:
        _keep_cut_off(state.name, text, last)
        return OK
    return code


def _keep_cut_off(thread: str, text: str, last: Last) -> None:
    """Have the conversation go on from what was there when Ctrl-C came."""
    if not last.cut_off:
        return
    threads = Threads()
    try:
        said = [Turn(author, words) for author, words in last.cut_off]
        threads.add(thread, [Turn(USER, text), *said]).result()
    except MootError as error:  # it was shown all the same
        note(in_words(str(error)))
    finally:
        threads.close()


def _command(state: Talk, line: str) -> bool:
    """Carry out *line*; False when the conversation is to end."""
    name, _, rest = line.partition(" ")
    if name in ("/quit", "/exit", "/q"):
        return False
    action = _COMMANDS.get(name)
    try:
        unknown = f"{name} is no command. There are: {', '.join(_COMMANDS)}, /quit."
        note(action(state, rest.strip()) if action else unknown)
    except (MootError, ValueError, OSError) as error:
        note(in_words(str(error)))
    return True


def _set_ai(state: Talk, said: str) -> str:
    if said:
        state.ais = [name.strip() for name in said.split(",") if name.strip()]
    return f"asked is {', '.join(state.ais) or 'the default AI'}."


def _set_panel(state: Talk, said: str) -> str:
    if said not in ("consensus", "debate", "off"):
        return "use /panel consensus, /panel debate or /panel off."
    state.panel = None if said == "off" else said
    without = f", without {', '.join(state.left_out)}" if state.left_out else ""
    return f"answers come from {'a panel: ' + said if state.panel else 'single AIs'}{without}."


def _set_role(state: Talk, said: str) -> str:
    state.role = None if said in ("", "off") else said
    return f"role: {state.role or 'none'}."


def _add_files(state: Talk, said: str) -> str:
    state.files += shlex.split(said)
    return f"with the next question: {', '.join(state.files) or 'no file'}."


def _save(state: Talk, said: str) -> str:
    if not said:
        return "say where to: /save FILE"
    threads = Threads()
    try:
        text = threads.markdown(state.name)
    finally:
        threads.close()
    try:
        Path(said).expanduser().write_text(text, encoding="utf-8")
    except OSError as error:
        return f"{said!r} cannot be written ({error.strerror}). Name another file."
    return f"written to {said}"


def _cost(state: Talk, _: str) -> str:
    known = f"${state.usd:.4f}" if state.usd else "nothing that is known"
    return f"{known}{'' if state.complete else '; of some answers the cost is unknown'}."


def _new(state: Talk, _: str) -> str:
    state.thread = None
    return "a new conversation."


_COMMANDS: dict[str, Callable[[Talk, str], str]] = {
    "/ai": _set_ai,
    "/model": lambda state, said: _set_ai(state, f"/{said}" if said else ""),
    "/panel": _set_panel,
    "/role": _set_role,
    "/file": _add_files,
    "/save": _save,
    "/cost": _cost,
    "/new": _new,
    "/help": lambda state, _: f"\n{_HELP}",
}


def _resume(thread: str) -> None:
    threads = Threads()
    try:
        turns = threads.history(thread)
    except MootError as error:
        note(str(error))
        return
    finally:
        threads.close()
    if turns:
        last, count = " ".join(turns[-1].text.split())[:200], f"{len(turns)} turn{'' if len(turns) == 1 else 's'}"
        note(f"going on with {thread!r}, {count}. Last, {turns[-1].author}: {last}")


@contextmanager
def _editing() -> Iterator[None]:
    """Editing of the line, Tab, and the lines of earlier conversations where they are kept and Python has readline."""
    try:
        import readline
    except ImportError:
        yield
        return
    path = chat_lines() if days_kept(load_config(credentials_path()).defaults.history) != 0 else None
    if path is not None:
        with suppress(OSError):
            readline.read_history_file(path)
    readline.set_history_length(_REMEMBERED)
    readline.set_completer_delims(" ,")
    readline.set_completer(_completer)
    readline.parse_and_bind("tab: complete")
    try:
        yield
    finally:
        if path is not None:
            with suppress(OSError):
                private_folder(path.parent)
                path.touch(mode=0o600)
                readline.write_history_file(path)
                os.chmod(path, 0o600)


def _completer(begun: str, number: int) -> str | None:
    import readline

    line = readline.get_line_buffer()
    if begun == line.lstrip() and begun.startswith("/"):
        found = [name for name in (*_COMMANDS, "/quit") if name.startswith(begun)]
    else:
        found = complete_names(line.partition(" ")[0], begun)
    return found[number] if number < len(found) else None
