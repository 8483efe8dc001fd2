"""The child process that serves the embedded model: an OpenAI-compatible server on 127.0.0.1, by llama.cpp.

A script of its own, started by file path with `python -I -S`: a workspace that holds packages called `core` or `ai`
must not reach it, so it imports the standard library and xllamacpp, nothing else. It runs in a process of its own
because xllamacpp holds the GIL while it loads (0.4 to 4 s), and a crash of the native code ends only this process.

The API key is the first line of stdin: arguments are visible to every user of the machine. When the model is ready,
one line of JSON goes to stdout; everything llama.cpp writes goes to stderr. It ends with SIGTERM, or when stdin
closes, which also happens when the parent is killed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from typing import Any

_THREADS = 1
"""With two threads on two busy cores OpenMP's spinning made answers 10 to 40 times slower; one is never bad."""

_HTTP_THREADS = 8
"""Each waiting or streaming request holds one; the default is one per core."""

_PROMPT_CACHE_MIB = 64
"""llama.cpp would keep up to 8 GiB of old prompts."""

_TEMPERATURE = 0.0
"""So small a model gets facts right only when it says what it finds most likely; a request may ask otherwise."""

_LOOP_PENALTY, _LOOP_AFTER_TOKENS, _LOOP_WINDOW = 0.8, 4, 256
"""Keeps it from repeating one sentence for ever. It punishes repeated runs of tokens, so short answers are untouched;
the usual penalty per token turned 7+5 into 13."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--packages", required=True, help="the folder that holds xllamacpp")
    parser.add_argument("--model", required=True)
    parser.add_argument("--alias", required=True)
    parser.add_argument("--ctx", type=int, required=True, help="context in tokens, shared by the slots")
    parser.add_argument("--slots", type=int, required=True)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # may have been inherited as ignored
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business; it closes stdin
    key = sys.stdin.buffer.readline().decode().strip()
    if not key:
        os._exit(0)  # the parent is gone already
    ready = os.dup(1)
    os.dup2(2, 1)
    server = _serve(options, key)
    os.write(ready, json.dumps({"base_url": f"{server.listening_address}/v1"}).encode() + b"\n")
    os.close(ready)
    sys.stdin.buffer.read()
    os._exit(0)  # an orderly shutdown would wait for running requests, whose reader is gone


def _serve(options: argparse.Namespace, key: str) -> Any:
    """Load the model; the server listens as long as the returned object lives."""
    sys.path.append(options.packages)
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.model_alias = {options.alias}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    params.n_ctx = options.ctx
    params.n_parallel = options.slots
    params.kv_unified = True  # else each slot may use only its share of the context
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = _THREADS
    params.n_threads_http = _HTTP_THREADS
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    params.ui = False
    params.sampling.temp = _TEMPERATURE
    params.sampling.dry_multiplier = _LOOP_PENALTY
    params.sampling.dry_allowed_length = _LOOP_AFTER_TOKENS
    params.sampling.dry_penalty_last_n = _LOOP_WINDOW
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
