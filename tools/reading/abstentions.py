"""Who declines to answer: abstentions, ignorance, refusals. What the question lists as an option is an answer."""

from __future__ import annotations

import re

from tools.answers.options import Options

_LONGEST = 200
_I = r"(?:i\s+|we\s+)?"
_CANNOT = (
    r"(?:can(?:no|')?t|cannot|am unable to|am not able to|could not|couldn't|will not|won't|must decline to"
    r"|have to decline to)"
)
_WHOLE = re.compile(
    rf"{_I}(?:abstain|pass|skip|unknown|unsure|undecided|n/?a|none given|no answer|no comment|no idea"
    rf"|not sure|not certain|uncertain"
    r"|decline(?: to (?:answer|say))?|refuse(?: to (?:answer|say))?"
    r"|(?:have |i've (?:got )?)?(?:no|not a|not the (?:faintest|slightest)) (?:idea|clue)"
    r"|t\.?b\.?[acd]"
    r"|(?:as (?:stated|said|given|explained|described|shown) |see |given )(?:above|below)|\.{2,}"
    r"|(?:the |your )?(?:final )?answer(?: goes)?(?: here)?)"
    r"|nobody (?:knows|can (?:know|say|tell))|(?:no|not enough|insufficient) (?:information|data|context)"
    r"(?: (?:is |was )?(?:given|provided|available))?"
    r"(?: to (?:answer|say|tell|decide|determine)(?: (?:this|that|it))?)?"
    rf"|{_I}(?:would )?(?:need|require) (?:more|additional|further) (?:information|data|details|context)"
    r"(?: to (?:answer|say|tell|decide)(?: (?:this|that|it))?)?"
    r"|(?:more|additional|further) (?:information|data|details|context) (?:is|are) (?:needed|required)"
    r"|(?:please |(?:could|can) you (?:please )?)(?:provide|give|share|clarify|specify|attach|send|tell)\b[^.]{0,120}"
    rf"|{_I}(?:do not|don't) have access to\b[^.]{{0,120}}"
    r"|the (?:\w+ ){1,3}(?:was|were|is|are)(?: not|n't) (?:attached|provided|included|given|shown|visible)"
    rf"|{_I}(?:do not|don't) (?:know|have (?:an answer|enough information(?: to (?:answer|say"
    rf"|tell))?))(?: the answer| this| that)?"
    rf"|{_I}(?:{_CANNOT}) (?:know|tell|say|answer|determine|decide|judge)(?: (?:that|this|it|the answer"
    rf"|this question|for sure|with certainty))*"
    r"|i(?:'m| am) (?:not sure|unsure|not certain|uncertain|undecided|unable to (?:answer|say|tell"
    r"|determine)(?: (?:this|that|it))?)"
    r"|(?:ich )?(?:enthalte mich|enthaltung|wei(?:ß|ss) (?:es )?nicht|keine angabe|unbekannt)"
    r"|je ne sais pas|no (?:lo )?s[eé]"
    r"|non (?:lo )?so|não sei|weet ik niet|vet (?:ej|inte)|не знаю|不知道|わかりません|모르겠습니다|無回答|弃权|棄権",
    re.I,
)
_REFUSAL = re.compile(
    rf"(?:(?:i(?:'m| am) )?(?:sorry|afraid)|unfortunately|as an ai|apologies|i apologi[sz]e"
    rf"|my apologies)?[^.!?]{{0,60}}?"
    rf"\bi (?:{_CANNOT}|do not feel comfortable|don't feel comfortable) "
    r"(?:help|assist|answer|comply|provide|do|discuss|give|offer|create|comment|engage|fulfil?l|support"
    r"|share|continue|participate)\b",
    re.I,
)


def abstains(answer: str, options: Options | None = None) -> bool:
    """Whether *answer* declines to answer, and is no option that the question lists."""
    line = " ".join(answer.replace("’", "'").strip(" \t\r\n*_`\"'“”.!()[]<>").split())
    if options and options.lists(line):
        return False
    if not line or not any(map(str.isalnum, line)):
        return True
    return (len(line) <= _LONGEST and bool(_WHOLE.fullmatch(line))) or refuses(line)


_NULL = re.compile(
    r"""["'](?:final[_ ])?answer["']\s*:\s*(?:null|None|undefined|"\s*"|'\s*'|\[\s*\]|\{\s*\})\s*(?:,|\}|$)""", re.I
)


def says_none(text: str) -> bool:
    """Whether *text* is an object whose answer is null or empty."""
    end = text.rstrip(" \t\r\n`")[-_LONGEST * 100 :]
    return end.endswith("}") and bool(_NULL.search(end))


def refuses(text: str) -> bool:
    """Whether *text* begins by refusing to answer."""
    return bool(_REFUSAL.match(" ".join(text[:_LONGEST].replace("’", "'").split())))
