"""What a provider means by an error answer: one word for each kind, from its status, its codes, and last its words.

The codes and their meanings are data, with the source of each: `refusals.csv`. A row is also a whole recorded or
documented answer; a test walks through all. The order of trust: a code that has one meaning everywhere, then
words under a status that leaves it open, then a type, then the status alone.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from importlib import resources
from typing import Literal, get_args

from ai.wire.classify.acceptance import status_accepted
from ai.wire.classify.shapes import Said

Meaning = Literal[
    "key_refused",
    "not_permitted",
    "region",
    "moderation",
    "firewall",
    "proxy",
    "no_credit",
    "daily_limit",
    "rate_limited",
    "overloaded",
    "server_error",
    "gateway",
    "model_not_found",
    "path_not_found",
    "no_chat",
    "context_too_long",
    "request_too_large",
    "schema_refused",
    "tools_refused",
    "unsupported",
    "redirected",
    "rejected",
]

_PER_MOMENT = (
    r"per[ _-]?(?:minute|min\b|second|sec\b|hour)|/ ?(?:min|minute|s|sec|second)\b|\b(?:rpm|tpm|rps|tps|itpm|otpm)\b"
    r"|too many requests|rate[ _-]?limit|requests? limit|concurren|throttl|slow down|call rate|requests per"
)
_PER_DAY = r"per[ _-]?day|daily|\b(?:rpd|tpd)\b|/ ?day\b|5 hours|per[ _-]?week|weekly"
_NO_CREDIT = (
    r"credit balance"
    r"|(?:insufficient|not enough|out of|no|any|lack of|all available) (?:\w+ )?(?:credit|balance|fund)"
    r"|insufficient[ _](?:quota|credit|balance|fund)|(?:balance|credits?|funds) (?:is |are )?(?:insufficient|too low)"
    r"|requires? (?:a )?(?:valid )?(?:payment|paid)|paid plan"
    r"|free (?:quota|tier|trial).{0,40}(?:used up|exhausted|expired|over)"
    r"|credits? (?:are |is |have |has )?(?:been )?(?:depleted|exhausted|expired)"
    r"|payment (?:required|method (?:is )?required)|arrear|overdue|past invoices|spend(?:ing)? (?:limit|cap)"
    r"|(?:monthly|usage) (?:spending |included )?(?:budget|cap|credits|limit)|api usage limits|usage limit reached"
    r"|current quota|billing (?:hard )?limit|billing is not|key limit exceeded|calls ?/ ?month|budget has been exceeded"
    r"|余额不足|请充值|欠费"
    r"|inactive subscription|(?:please )?recharge|top[ -]?up|requires more credits|free tier .{0,40}exhausted"
)
_CONTEXT = (
    r"context[_ ](?:length|size|window|limit)|maximum (?:context|prompt|input)|max(?:imum)? number of tokens"
    r"|too many (?:input )?tokens|prompt (?:is )?too (?:long|large)|input is too long|exceed_context|string too long"
    r"|(?:exceeds?|exceeded|over) (?:the )?(?:model'?s? )?(?:maximum |available )?(?:context|token limit|max length)"
    r"|input length|tokens? exceeds? (?:the )?(?:limit|maximum|model)"
)
_TOO_LARGE = (
    r"payload size|request (?:body |entity |size )?(?:is )?too large|body too large"
    r"|image (?:that )?(?:is too large|exceeds)"
    r"|entity too large|exceeds the maximum size|request_too_large"
)
_KEY = (
    r"(?:incorrect|invalid|wrong|bad|missing|malformed|expired|revoked|no|provide an?|unknown) "
    r"(?:x-)?(?:(?:api|auth\w*|access|subscription|proxy server)[ _-]?(?:key|token|credential)"
    # bare, it may be a key of an object or a token of a text
    r"|(?:key|token|credentials?)(?!\w)(?!\s*[:'\"`(\[]"
    r"|\s+(?:in|id|at|for|of|on|name|count|type|stream)\b|\s+\w+ in\b))"
    r"|security token .{0,40}(?:invalid|expired)"
    r"|api[ _-]?key (?:is |was |you provided is )?"
    r"(?:not valid|not found|invalid|expired|missing|currently blocked|reported)"
    r"|key (?:was |is )?(?:currently )?(?:blocked|reported|revoked|disabled)|unregistered callers|unauthorized"
    r"|authenticat\w* (?:fail|error|required)|invalid authentication|no auth credentials|token (?:has )?expired"
    r"|please use api key|authorization (?:failed|required)|bad credentials"
)
_REGION = (
    r"(?:country|countries|region|territor\w+|location).{0,80}"
    r"(?:not (?:be )?(?:supported|available|allowed)|unsupported|restrict|block)"
    r"|(?:not (?:supported|available|allowed|offered)|unsupported|unavailable|restricted).{0,80}"
    r"(?:country|countries|\bregion|territor|location)"
    r"|\bgeo[ _-]?(?:block|restrict|fenc|locat)|request not allowed|check your network settings|legal reasons"
)
_MODERATION = (
    r"moderat|flagged|safety (?:system|check|filter)|usage (?:policy|policies|guidelines)"
    r"|content[ _](?:filter|polic|management)"
    r"|terms of service|violat\w* .{0,60}(?:polic|guideline|terms|rules)|high risk|sensitive content|new_sensitive"
    r"|unsafe|inappropriate|data ?inspection|prohibited"
)
_FIREWALL = (
    r"firewall|error code: 1\d{3}|virtual network|security policy|\bwaf\b|cloudflare|incapsula|akamai|cloudfront"
    r"|fortiguard|sucuri|zscaler|web page blocked|request blocked|mod_?security|captcha|access denied by|blocked by"
    r"|administrative rules"
)
_PERMISSION = (
    r"permission|not authorized|does(?:n't| not) have access|access denied|has been (?:disabled|suspended|banned)"
    r"|account is (?:disabled|suspended)"
)
_OVERLOADED = (
    r"overload|at capacity|high traffic|no healthy upstream|server busy|failed dependency|currently loading"
    r"|capacity exceeded"
)
_MODEL = (
    r"model.{0,120}"
    r"(?:not found|does(?:n't| not) exist|not exist|unknown|decommission|no longer|not a valid|deprecat|retired)"
    r"|model \S+ is not supported(?! (?:with|for|by this))"
    r"|(?:unknown|invalid|no such) model|no models? loaded|not a valid model|not found.{0,20}model|deployment"
)
_PATH = (
    r"\A(?:404 )?(?:page )?not found\b|no static resource|invalid url|resource not found|cannot (?:post|get)|no route"
    r"|unknown url"
)
_NO_CHAT = (
    r"(?:does not|doesn't|not) support (?:chat|generat|completion)|not a chat model|only supports? (?:embed|audio)"
    r"|is an? (?:embedding|speech|image|rerank\w*|transcription) model"
)
_SCHEMA = (
    r"invalid schema|json_?schema|response_?format|structured output|additionalproperties|response_json_schema"
    r"|output_config\.format|grammar"
)
_TOOLS = (
    r"(?:not|n't|no endpoints found that|cannot) (?:currently |yet )?support (?:the )?(?:use of )?"
    r"['\"`]?(?:tools?|functions?|tool[- _]?(?:use|calls?|calling|choice)|function[- _]?call(?:s|ing)?)\b"
    r"|(?<!parallel[_ ])\b(?:tools?|functions?|tool[- _]?(?:use|calls?|calling)|function[- _]?call(?:s|ing)?)\b['\"`]* "
    r"(?:\w+ ){0,3}(?:is|are) (?:not|un)[ -]?(?:supported|enabled|available|allowed)"
    r"|(?:unsupported|unknown|unrecognized|unexpected) (?:\w+ )?(?:parameter|field|argument)s?:? ['\"`]?tools\b"
    r"|function tools with .{0,80}not supported|tools? param requires|requires --enable-auto-tool-choice"
    r"|no tool[- ]?call(?:ing)? parser"
)
"""What is said by who takes no functions at all, or not here."""
_UNSUPPORTED = (
    r"(?:unsupported|unknown|unrecognized|unexpected|unrecognised) "
    r"(?:\w+ )?(?:parameter|value|argument|field|request argument)"
    r"|not supported|does(?:n't| not) support|extra inputs are not permitted|extra fields|not permitted"
    r"|unexpected keyword|additional properties are not allowed|was unexpected"
    r"|deprecated for this model|(?:no|not) support(?:s|ed)?\b|cannot be used with"
)

_STATUS: dict[int, Meaning] = {
    401: "key_refused",
    402: "no_credit",
    403: "not_permitted",
    404: "model_not_found",
    405: "path_not_found",
    406: "firewall",
    407: "proxy",
    408: "gateway",
    410: "model_not_found",
    413: "request_too_large",
    429: "rate_limited",
    431: "request_too_large",
    451: "region",
    498: "overloaded",
    503: "overloaded",
    529: "overloaded",
}
"""What a status means where nothing else is said; any other 4xx is `rejected`, 5xx `server_error` or `gateway`."""

_IN_WORDS: dict[int, tuple[tuple[str, Meaning], ...]] = {
    400: (
        (_KEY, "key_refused"),
        (_NO_CREDIT, "no_credit"),
        (_NO_CHAT, "no_chat"),
        (_CONTEXT, "context_too_long"),
        (_TOO_LARGE, "request_too_large"),
        (_TOOLS, "tools_refused"),
        (_SCHEMA, "schema_refused"),
        (_REGION, "region"),
        (_MODERATION, "moderation"),
        (_MODEL, "model_not_found"),
        (_UNSUPPORTED, "unsupported"),
        (_PERMISSION, "not_permitted"),
    ),
    401: ((r"permissions|scopes", "not_permitted"),),
    403: (
        (r"call volume quota", "daily_limit"),
        (_MODERATION, "moderation"),
        (_FIREWALL, "firewall"),
        (_NO_CREDIT, "no_credit"),
        (_CONTEXT, "context_too_long"),
        (_KEY, "key_refused"),
        (_REGION, "region"),
    ),
    404: (
        (r"data policy|guardrail", "not_permitted"),
        (_TOOLS, "tools_refused"),
        (_MODEL, "model_not_found"),
        (_PATH, "path_not_found"),
    ),
    500: ((_TOOLS, "tools_refused"),),  # llama.cpp without --jinja
    501: ((_TOOLS, "tools_refused"),),
    412: ((_NO_CREDIT, "no_credit"),),
    424: ((_OVERLOADED, "overloaded"),),
}
"""Where a status has several meanings: what to look for, the first that is found decides."""
_IN_WORDS[422] = _IN_WORDS[400]


def meaning_of(status: int, said: Said, *, waits: bool = False) -> Meaning:
    """What an answer of *status* that *said* so means. *waits*: it names a time to wait."""
    if said.page and (found := _of_page(status, said)):
        return found
    if 300 <= status < 400:
        return "redirected"
    if status in (413, 429) and _says(_TOO_LARGE, said.message):
        return "request_too_large"  # OpenAI and Groq call it a rate limit: no wait makes it smaller
    if found := _by_code(status, said):
        return found
    if status == 503 and status_accepted(status, said.words):
        return "gateway"
    if status == 429:
        return _by_type(status, said) or _limited(said, waits=waits)
    for pattern, meaning in _IN_WORDS.get(status, ()):
        if _says(pattern, said.words):
            return meaning
    return _by_type(status, said) or by_status(status, own_words=isinstance(said.details, dict | list))


def _says(pattern: str, words: str) -> bool:
    """Whether *pattern* is in *words*. It is compiled, and kept, when something is first refused."""
    return re.search(pattern, words, re.IGNORECASE | re.DOTALL) is not None


def by_status(status: int, *, own_words: bool = True) -> Meaning:
    if known := _STATUS.get(status):
        return known
    if status in (500, 502):
        return "server_error" if own_words else "gateway"
    return "rejected" if status < 500 else "server_error" if status == 501 else "gateway"


def _of_page(status: int, said: Said) -> Meaning | None:
    """A web page is never from the AI: a firewall, a proxy, a gateway, or the wrong address."""
    if status in (401, 403, 406) or ((status < 500 or status == 503) and _says(_FIREWALL, said.words)):
        return "firewall"
    if status == 404:
        return "path_not_found"
    if status in (500, 502):
        return "gateway"
    return None


def _limited(said: Said, *, waits: bool) -> Meaning:
    """A 429 without a code that tells: for want of credit only where nothing speaks of a moment."""
    words = said.words
    if _says(_OVERLOADED, words) and not _says(_PER_MOMENT, words):
        return "overloaded"
    if _says(_PER_DAY, words) and not waits and not _says(r"per[ _-]?min|/ ?minute", words):
        return "daily_limit"
    if waits or (_says(_PER_MOMENT, words) and not _says(_NO_CREDIT, words)):
        return "rate_limited"
    if _says(_NO_CREDIT, words) and not _says(r"per[ _-]?min|per[ _-]?second|/ ?minute", words):
        return "no_credit"
    return "rate_limited"


def _by_code(status: int, said: Said) -> Meaning | None:
    return next((known for code in said.codes if (known := _known("code", status, code.lower()))), None)


def _by_type(status: int, said: Said) -> Meaning | None:
    return next((known for code in said.codes if (known := _known("type", status, code.lower()))), None)


def _known(by: Literal["code", "type"], status: int, code: str) -> Meaning | None:
    """What *code* means under *status*; a word, but no number, means the same under any other."""
    table = _TABLES[by]
    return table.get((status, code)) or (None if code.lstrip("-").isdigit() else table.get((0, code)))


def _table(by: Literal["code", "type"]) -> dict[tuple[int, str], Meaning]:
    found: dict[tuple[int, str], Meaning] = {}
    for row in _ROWS:
        if row["by"] == by:
            code, meaning = row[by].lower(), _meaning(row["means"])
            found.setdefault((int(row["status"]), code), meaning)
            found.setdefault((0, code), meaning)
    return found


def status_of(code: str, provider: str) -> int | None:
    """The status with which *code* is known to come: from *provider*, or else where all that know it agree."""
    known = [row for row in _ROWS if code.lower() in (row["code"].lower(), row["type"].lower())]
    own = {int(row["status"]) for row in known if row["provider"] == provider}
    statuses = own or {int(row["status"]) for row in known}
    return statuses.pop() if len(statuses) == 1 else None


def _meaning(word: str) -> Meaning:
    assert word in get_args(Meaning), word
    meaning: Meaning = word  # type: ignore[assignment]  # checked a line above
    return meaning


def rows() -> Iterator[dict[str, str]]:
    """The rows of the table."""
    lines = resources.files(__package__).joinpath("refusals.csv").read_text("utf-8").splitlines()
    yield from csv.DictReader(lines, delimiter="|", quoting=csv.QUOTE_NONE)


_ROWS = list(rows())
_TABLES = {"code": _table("code"), "type": _table("type")}  # now, in a thread: no answer waits for the disk
