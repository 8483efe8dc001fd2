"""What `moot serve` says before the real server is there: decided message by message, from a snapshot.

It answers only what it knows for certain that the real server would answer the same. Everything else is kept, in the
order it came, for the real server, which also hears again what settled the connection: the request that opened it and
the handshake. Pure: no input, no output, and imports of a few cheap modules only.
"""

from __future__ import annotations

import json
import os

from server.stdio.snapshot import Answers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

LONGEST_LINE = 262_144
"""Bytes. Nothing a snapshot answers is longer."""

_META = "io.modelcontextprotocol/"
_VERSION, _CAPABILITIES, _CLIENT = f"{_META}protocolVersion", f"{_META}clientCapabilities", f"{_META}clientInfo"
_SUBSCRIPTION = f"{_META}subscriptionId"
_LISTEN = "subscriptions/listen"
_LISTS = frozenset({"toolsListChanged", "promptsListChanged", "resourcesListChanged"})
_ENVELOPE = frozenset({_VERSION, _CAPABILITIES, _CLIENT})
_MESSAGE = frozenset({"jsonrpc", "id", "method", "params"})
_PARAMS = {
    "initialize": {"protocolVersion", "capabilities", "clientInfo"},
    _LISTEN: {"notifications"},
}
"""Parameters beside `_meta` with which a method may be answered; of the others, none."""
_LARGEST_ID = 2**53
_MOST_KEPT = 1_048_576


class Front:
    """One connection, from the host's first byte until the real server takes over."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._partial = bytearray()
        self._kept: list[tuple[bytes, bool]] = []
        """Lines for the real server, and whether the host has the answer already."""
        self._size = 0
        self._modern: bool | None = None
        """The era, which the first request settles for the whole connection."""
        self._version: str | None = None
        """The version the handshake agreed on."""
        self._open = True
        self.answered = False
        self.wanted = False
        """Whether the real server has to take over."""
        self.puzzled = False
        """Whether the first line is no message at all: whoever wrote it is no host."""

    def hear(self, data: bytes) -> bytes:
        """What to answer to *data*, which may end anywhere."""
        start = len(self._partial)
        self._partial += data
        if self._partial.find(b"\n", start) < 0 and len(self._partial) <= LONGEST_LINE:
            return b""
        *lines, rest = bytes(self._partial).split(b"\n")
        self._partial = bytearray(rest)
        if len(rest) > LONGEST_LINE:
            self._open, self.wanted = False, True
        return b"".join(self._line(line + b"\n") for line in lines if line.strip())

    @property
    def full(self) -> bool:
        """Whether so much is kept for the real server that the rest stays where it is until that reads it."""
        return self._size + len(self._partial) > _MOST_KEPT

    def end(self) -> bytes:
        """What to answer when the host has hung up: the last line may lack its end."""
        rest, self._partial = bytes(self._partial), bytearray()
        return self._line(rest) if rest.strip() else b""

    def handed(self) -> tuple[bytes, list[str | int]]:
        """What the real server has to read before the rest of the input, and the ids whose first answer is known."""
        lines, ids = repeated(self._kept)
        return lines + bytes(self._partial), ids

    def session(self) -> str | None:
        """What `resume` needs to go on in another process; None when this is no moment for it."""
        if self.wanted or self._partial:
            return None
        return json.dumps([[line.decode(), answered] for line, answered in self._kept])

    def resume(self, session: str) -> None:
        """Take over from a front that gave *session*."""
        for line, answered in kept_in(session):
            self._keep(line, answered)
            if answered:
                self._settle(json.loads(line))
        self.answered = True

    def _line(self, line: bytes) -> bytes:
        """The answer to one line, or nothing."""
        message = _parsed(line) if self._open else None
        if message is None:
            self.puzzled = self.puzzled or not (self._kept or self.answered or _is_message(line))
            self._open, self.wanted = False, True  # what it does to the connection is not ours to guess
            self._keep(line, False)
            return b""
        if "id" not in message:
            self._keep(line, False)
            self.wanted = self.wanted or self._size > _MOST_KEPT
            return b""
        return self._request(line, message)

    def _request(self, line: bytes, message: dict[str, Any]) -> bytes:
        settles = self._modern is None or message["method"] == "initialize"
        modern = self._enveloped(message) if self._modern is None else self._modern
        text = self._modern_text(message) if modern else self._legacy_text(message)
        if text is None:
            self._open = self._open and message["method"] != "initialize"
            self.wanted = True
            self._modern = modern
            self._keep(line, False)
            return b""
        if settles:
            self._settle(message)
        if settles or message["method"] == _LISTEN:
            self._keep(line, True)
            self.wanted = self.wanted or self._size > _MOST_KEPT
        self.answered = True
        return _acknowledgement(message, text) if message["method"] == _LISTEN else _response(message, text)

    def _settle(self, message: dict[str, Any]) -> None:
        if self._modern is None:
            self._modern = self._enveloped(message)
        if message["method"] == "initialize":
            self._version = self._agreed(message["params"]["protocolVersion"])

    def _keep(self, line: bytes, answered: bool) -> None:
        self._kept.append((line, answered))
        self._size += len(line)

    def _agreed(self, version: str) -> str:
        return version if version in self._answers.handshake else self._answers.handshake[-1]

    @staticmethod
    def _enveloped(message: dict[str, Any]) -> bool:
        meta = message.get("params", {}).get("_meta")
        return message["method"] != "initialize" and isinstance(meta, dict) and _VERSION in meta

    def _legacy_text(self, message: dict[str, Any]) -> str | None:
        method, params = message["method"], message.get("params", {})
        meta = params.get("_meta", {})
        if not _progress(meta) or any(key.startswith(_META) for key in meta):
            return None
        if not set(params) <= {"_meta"} | _PARAMS.get(method, set()):
            return None
        if method == "initialize":
            if self._version is not None or not _handshake(params):
                return None
            return self._answers.text(self._agreed(params["protocolVersion"]), method)
        if self._version is None and method != "ping":
            return None
        return self._answers.text(self._version or self._answers.handshake[-1], method)

    def _modern_text(self, message: dict[str, Any]) -> str | None:
        method, params = message["method"], message.get("params", {})
        meta = params.get("_meta", {})
        if not _progress(meta) or meta.get(_VERSION) not in self._answers.modern or method == "initialize":
            return None
        if any(key.startswith(_META) and key not in _ENVELOPE for key in meta):
            return None
        if not _capabilities(meta.get(_CAPABILITIES)) or (_CLIENT in meta and not _implementation(meta[_CLIENT])):
            return None
        if not set(params) <= {"_meta"} | _PARAMS.get(method, set()):
            return None
        if method == _LISTEN and not _lists_alone(params.get("notifications")):
            return None
        return self._answers.text(meta[_VERSION], method)


def kept_in(session: str) -> list[tuple[bytes, bool]]:
    """The lines a session holds, and whether the host has the answer already."""
    return [(text.encode(), answered) for text, answered in json.loads(session)]


def repeated(kept: Iterable[tuple[bytes, bool]]) -> tuple[bytes, list[str | int]]:
    """*kept* for the real server, and the ids of which the first answer is to be dropped.

    What is answered already has an id of ours; but a subscription, which is to go on, its own.
    """
    mark = f"moot-{os.urandom(8).hex()}-"
    lines: list[bytes] = []
    ids: list[str | int] = []
    for line, answered in kept:
        message = json.loads(line) if answered else {}
        if answered:
            ids.append(message["id"] if message["method"] == _LISTEN else f"{mark}{len(ids)}")
        lines.append(json.dumps(message | {"id": ids[-1]}).encode() + b"\n" if answered else line)
    return b"".join(lines), ids


def _response(message: dict[str, Any], text: str) -> bytes:
    return f'{{"jsonrpc":"2.0","id":{json.dumps(message["id"])},{text}}}\n'.encode()


def _acknowledgement(message: dict[str, Any], text: str) -> bytes:
    wanted = {name: True for name, wish in message["params"]["notifications"].items() if wish}
    params = {"_meta": {_SUBSCRIPTION: message["id"]}, "notifications": wanted}
    return f'{{"jsonrpc":"2.0",{text},"params":{json.dumps(params)}}}\n'.encode()


def _parsed(line: bytes) -> dict[str, Any] | None:
    """*line* as a request or notification without anything unusual about it; None for all else."""
    body = line.removesuffix(b"\n").removesuffix(b"\r")
    if (
        b"\r" in body or b"\\ud" in body.lower()
    ):  # the first ends a line for the server, the second may be half a character
        return None
    try:
        message = json.loads(body.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or not set(message) <= _MESSAGE or message.get("jsonrpc") != "2.0":
        return None
    sound = isinstance(message.get("method"), str) and isinstance(message.get("params", {}), dict)
    return message if sound and ("id" not in message or _id(message["id"])) else None


def _is_message(line: bytes) -> bool:
    """Whether *line* means to be a message, or several, however unusual."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, list) or (isinstance(value, dict) and "jsonrpc" in value)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _id(value: object) -> bool:
    return isinstance(value, str) or (type(value) is int and abs(value) < _LARGEST_ID)


def _progress(meta: object) -> bool:
    """Whether *meta* is an object whose progress token, if there is one, is sound."""
    return isinstance(meta, dict) and ("progressToken" not in meta or _id(meta["progressToken"]))


def _handshake(params: dict[str, Any]) -> bool:
    version = params.get("protocolVersion")
    return (
        isinstance(version, str)
        and _capabilities(params.get("capabilities"))
        and _implementation(params.get("clientInfo"))
    )


def _capabilities(value: object) -> bool:
    """Objects in objects, as every host sends them; what is deeper is the extension's own affair."""
    if not isinstance(value, dict) or not all(isinstance(inner, dict) for inner in value.values()):
        return False
    return all(
        isinstance(setting, dict) or (key == "listChanged" and isinstance(setting, bool))
        for inner in value.values()
        for key, setting in inner.items()
    )


def _implementation(value: object) -> bool:
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("name"), str)
        or not isinstance(value.get("version"), str)
    ):
        return False
    words = (value.get(key) for key in ("title", "description", "websiteUrl"))
    return all(word is None or isinstance(word, str) for word in words) and _icons(value.get("icons", []))


def _icons(value: object) -> bool:
    return isinstance(value, list) and all(_icon(one) for one in value)


def _icon(value: object) -> bool:
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("src"), str)
        or not set(value) <= {"src", "mimeType", "sizes"}
    ):
        return False
    return isinstance(value.get("mimeType", ""), str) and _strings(value.get("sizes", []))


def _lists_alone(value: object) -> bool:
    """Whether the host wants to hear of nothing but lists, of which there is nothing to tell."""
    return isinstance(value, dict) and value.keys() <= _LISTS and all(isinstance(wish, bool) for wish in value.values())


def _strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
