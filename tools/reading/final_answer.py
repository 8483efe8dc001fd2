r"""What an AI finally says in a text of its own: marked, boxed, in a sentence that says so, or all of it if short.

A text that says its answer in no such way is not read. It is never guessed at: the first sentence of a text that thinks
step by step is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.untrusted import clean
from tools.answers.exact_text import unstyled
from tools.answers.options import Options
from tools.answers.values import boxed, value_of
from tools.reading.abstentions import abstains, refuses, says_none
from tools.reading.markers import Marks, is_label, read_marks

LONGEST_ANSWER = 500
_LONGEST_PHRASE = 120
_LONGEST_SENTENCE = 400
_LAST_SENTENCES = 4
_MOST_CHARS = 200_000
_MOST_AFTER = 4_000
_SAYS = re.compile(
    r"(?:^|\b)(?:the|my|our|your|this|correct|final|right|best)?\s*(?:(?:final|correct|right|best|most likely)\s+)?"
    r"(?:answer|solution|result|option|choice|conclusion|value of \w{1,3})"
    r"(?:\s+(?:here|to (?:the|this) (?:question|problem)|then))?\s+"
    r"(?:is|are|must be|should be|has to be|=)\s*(?:therefore|thus|then|hence|clearly|simply|indeed|just"
    r"|exactly|definitely|certainly|(?:most |very )?(?:likely|probably)|almost certainly)?\s*:?\s*(?P<value>\S.*)",
    re.I,
)
_SAYS_ELSEWHERE = re.compile(
    r"(?:\bdie (?:richtige |korrekte )?(?:antwort|lösung) (?:ist|lautet)|\bdas ergebnis (?:ist|lautet)"
    r"|\bla (?:bonne )?réponse (?:finale )?est"
    r"|\bla respuesta (?:correcta |final )?es|\ba resposta (?:correta |final )?é|\bla risposta (?:corretta |finale )?è"
    r"|\bhet (?:juiste )?antwoord is|\bsvaret (?:är|er)|\bodpowiedź (?:to|brzmi)"
    r"|\b(?:правильный )?ответ(?: —| -|:| это)|\bcevap"
    r"|(?:最终)?答案(?:是|为|：|:)|答えは|正解は|정답은|답은)"
    r"(?:\s+(?:donc|par conséquent|also|somit|daher|por (?:lo )?tanto|quindi|dus)(?=\s))?"
    r"\s*:?\s*(?:(?:l[ae]|el|a|o|die|de)\s+(?=[(*]*[A-Z][).*]*$))?(?P<value>\S.*)",
    re.I,
)
_THEREFORE = re.compile(
    r"^(?:and\s+)?(?:so|thus|therefore|hence|thereby|finally|consequently|this gives|which gives"
    r"|this yields|we get|we have|it follows that|∴|⇒|=>)"
    r"[,:]?\s+(?:(?:that|we (?:get|have|find|obtain)|it is|it's|this is)\s+)*(?P<value>\S.*)$",
    re.I,
)
_DOUBT = re.compile(
    r"\b(?:if|might|may|could|would|suppose|assume|assuming|say|says|said|claims?|claimed|thinks?|thought"
    r"|wrong|incorrect|not|unless|whether|"
    r"when|many|some|people|others|naive|naively|tempt\w*|first glance|intuitive\w*|seems?|appears?"
    r"|mistake\w*|false|guess|perhaps|maybe|"
    r"first attempt|initially|n't|no)\b",
    re.I,
)
_OWN = re.compile(r"\b(?:i|we) (?:think|say|would say|guess|thought)\b", re.I)
_NOT = re.compile(
    r"(?:not|n't|never|no longer|neither|unclear|wrong|incorrect|correct|right|given|found|below|above"
    r"|as follows|based|obtained|the same)\b",
    re.I,
)
_TAKEN_BACK = re.compile(
    r"\b(?:wait|(?:scratch|strike|forget) that|(?:that|this)(?:'s| is) (?:wrong|not right|incorrect)|i was wrong"
    r"|on reflection|on second thought|let me (?:re|double|correct)|correction|actually|hold on|oops|whoops|hmm"
    r"|i (?:meant|mean to say|misread|miscounted|miscalculated|misspoke|stand corrected|take (?:it|that) back)"
    r"|i (?:have )?made an? (?:\w+ )?(?:error|mistake|slip)|(?:does|did)(?:n't| not) (?:look|seem|sound) right"
    r"|edit:)",
    re.I,
)
_TAKES_BACK = re.compile(
    r"^(?:no,? )?(?:(?:wait|hold on)(?=\W*$|\s*[,.!…–—-]|\s+(?:no|that|i)\b)|(?:scratch|strike|forget) that|oops|whoops"
    r"|correction\b|edit:|on (?:reflection|second thought)|(?:sorry,? )?i (?:meant|misread|miscounted|miscalculated"
    r"|misspoke|was wrong|stand corrected|take (?:it|that) back|made an? (?:\w+ )?(?:error|mistake|slip)(?! \w+ of))"
    r"|actually,? (?:that|the answer|it)\b"
    r"|(?:that|this)(?:'s| is| was) (?:wrong|not right|incorrect)(?=\s*[,.;:!–—-]|$))",
    re.I,
)
"""How a sentence begins that takes back the answer marked before it, and does not merely argue."""
_PART = re.compile(
    r"^\W*(?:(?:for |in |to )?(?:part|question|case|scenario|problem|task|teil|partie|parte)\s*\W?\w{1,3}\b"
    r"|\(?(?:[a-h]|i{1,3}|\d{1,2})[).:])",
    re.I,
)
"""How a sentence begins that answers one part of a question."""
_ALL_IT_SAYS = re.compile(
    r"(?:(?:tl;?dr|(?:in )?conclusion|(?:in )?summary|bottom line|in short|my (?:pick|choice|vote))\s*[:=–—-]\s*"
    r"(?:the \w{1,20} is )?"
    r"|(?:i (?:think|believe)(?: that)? )?(?:it(?:'s| is)|that(?:'s| is))\s+|my (?:pick|choice|vote) is\s+"
    r"|i(?:'d| would| will|'ll)? (?:go with|pick|choose|say|answer|vote for)\s+"
    r"|(?:so|thus|therefore|hence),? the \w{1,20} is\s+|(?:also|somit|daher|folglich)\s(?:\w+\s){0,4})"
    r"(?P<value>\S.*?)\.?"
    r"|(?P<before>\(?[A-J]\)?) is (?:correct|right|the (?:correct|right|best)(?: (?:answer|option|choice|one))?)\.?",
    re.I,
)
"""A short text that only says which answer it is."""
_NO_ANSWER = re.compile(
    r"^(?:let me|let's|let us|okay|ok|sure|certainly|of course|first|hmm|well|wait|to answer|here(?:'s"
    r"| is| are)|i'll|i will|i am going|"
    r"thinking|working on|loading|step 1|we (?:need|have to|use|start|begin|apply|can|are)|to (?:solve|find|determine)"
    r"|consider|(?:good|great|interesting|nice|tricky|classic) (?:question|puzzle|problem|one)|looking at|analy[sz]\w*"
    r"|this is an? (?:good|great|interesting|nice|tricky|classic)|understood|i understand|got it|happy to|glad to"
    r"|an error|no (?:problem|worries),?|yes,? (?:i (?:can|will)|let|i'll)|thanks|thank you"
    r"|my (?:first |initial )?guess|i (?:initially|first)"
    r"|(?:great|please|given|reasoning|thoughts?|error|note|absolutely)(?=[:,!]))(?!\w)",
    re.I,
)
_REASON = re.compile(
    r",?\s+(?:because|since)\s|,?\s+(?:but|though|although) i(?:'m| am| was) not\b|,\s+(?:as|which)\s|\s+[–—]\s|;\s",
    re.I,
)
_INITIAL = re.compile(r"(?:^|[\s(*_])[A-Z]\.$")
_ABBREVIATION = re.compile(r"(?:^|[\s(])(?:No|Nr|Dr|Mr|Mrs|Ms|St|vs|ca|approx|e\.g|i\.e|cf|Prof|Jr|Sr|Mt)\.$")
_BEGINS = frozenset(
    """because the this that it since we so i therefore as here first then thus hence a an in if when all there these
    those our my you note reason explanation however but and to for with by both each why""".split()  # noqa: SIM905
)
_END = re.compile(r"(?<=[.!?。！？])\s+")


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a text: its answer, None where it abstains; `read` is False where no answer was found."""

    answer: str | None
    read: bool
    values: Mapping[str, str] = field(default_factory=dict)
    rest: str = ""


def read_answer(text: str, fields: frozenset[str], options: Options | None = None) -> Reading:
    """The answer in *text* with the other *fields* that are marked in it, and the text without those lines."""
    marks = read_marks(text, fields | {"ANSWER"})
    said = _marked(marks) or unmarked_answer(text, marks, options)
    rest = marks.text or ("" if marks.values else text.strip())
    if said is None:
        return Reading(None, says_none(text) or refuses(clean(text[:2_000])), marks.values, rest)
    if "ANSWER" not in marks.values and value_of(said, options).kind == "text" and refuses(clean(text[:2_000])):
        return Reading(None, True, marks.values, rest)
    if marks.after and any(_TAKES_BACK.match(sentence) for sentence in _sentences(marks.after[:_MOST_AFTER])):
        return Reading(None, False, marks.values, text.strip())
    answer = " ".join((boxed(said) or said).split())
    if len(answer) > LONGEST_ANSWER and "ANSWER" not in marks.values:
        return Reading(None, False, marks.values, rest)
    answer = answer[:LONGEST_ANSWER]
    return Reading(None if abstains(answer, options) else answer, True, marks.values, rest)


def final_answer(text: str, options: Options | None = None) -> str | None:
    """What *text* gives as its answer, as it stands there; None when it gives none that can be read."""
    marks = read_marks(text, {"ANSWER"})
    return _marked(marks) or unmarked_answer(text, marks, options)


def _marked(marks: Marks) -> str | None:
    """The marked answer, without a sentence around it: `ANSWER: The answer is 42.`"""
    said = marks.values.get("ANSWER")
    if said is None or len(said) > _LONGEST_SENTENCE or value_of(said).kind != "text":
        return said
    first, *_ = _sentences(said) or [""]
    match = _SAYS.match(first) or _SAYS_ELSEWHERE.match(first)
    inner = _said([first]) if match else None
    return inner if inner and value_of(inner).kind != "text" else said


def rendered(text: str) -> str:
    """*text* for people: the reasons and the answer of a JSON object, any other as it is."""
    marks = read_marks(text, {"ANSWER"})
    return f"{marks.text}\n\nANSWER: {marks.values['ANSWER']}".strip() if marks.found else text


def unmarked_answer(text: str, marks: Marks, options: Options | None = None, *, if_short: bool = True) -> str | None:
    """The answer of a text in which no line is marked as it.

    Args:
        if_short: Whether all of a short text is its answer.
    """
    body = unstyled(clean(text[-_MOST_CHARS:])).strip()
    if found := boxed(body):
        return found
    sentences = _sentences(body)
    said = _graded(body) or _said(sentences) or _followed(sentences)
    return said or (_whole(marks.text or body, options) if if_short else None)


def _graded(text: str) -> str | None:
    """`#### 42`, as a school's data set has taught models to end."""
    line = text.rsplit("\n", 1)[-1].strip()
    return (
        line[4:].strip() or None
        if line.startswith("####") and not line.startswith("#####") and len(line) < 200
        else None
    )


def _sentences(text: str) -> list[str]:
    found = []
    for line in text.split("\n"):
        joined: list[str] = []
        for part in _END.split(line):
            if joined and _goes_on(joined[-1], part) and len(joined[-1]) < _LONGEST_SENTENCE:
                joined[-1] = f"{joined[-1]} {part}"
            else:
                joined.append(part)
        found += [bare for part in joined if (bare := part.strip(" \t*_>#-"))]
    return found


def _goes_on(before: str, after: str) -> bool:
    """Whether the full stop *before* ends in is an abbreviation's: `S. aureus`, `J. Smith`, `No. 42`."""
    if _ABBREVIATION.search(before[-12:]):
        return True
    first = re.match(r"[^\W_]+", after)
    return bool(_INITIAL.search(before[-4:])) and (first is None or first[0].casefold() not in _BEGINS)


def _said(sentences: list[str]) -> str | None:
    """The last sentence that says which answer it is, unless it is taken back afterwards."""
    for place in range(len(sentences) - 1, -1, -1):
        sentence = sentences[place][:_LONGEST_SENTENCE]
        match = _SAYS.search(sentence) or _SAYS_ELSEWHERE.search(sentence)
        if match is None:
            if _TAKEN_BACK.search(sentence):
                return None
            continue
        before = _OWN.sub("", sentence[: match.start()])
        value = match["value"].strip(" *_")
        if (
            sentence.endswith("?")
            or _DOUBT.search(before)
            or _NOT.match(value)
            or len(sentences[place]) > _LONGEST_SENTENCE
        ):
            continue
        if _PART.match(before) and any(_PART.match(one) and _SAYS.search(one) for one in sentences[:place]):
            return None
        return _without_reason(re.sub(r"[.。]$", "", value).removesuffix("です").strip(" *_")) or None
    return None


def _without_reason(said: str) -> str:
    """`B` of `B because of C`, where what is left is a value that can be read whole."""
    head, *reason = _REASON.split(said, maxsplit=1)
    return head.strip() if reason and value_of(said).kind == "text" and value_of(head).kind != "text" else said


def _followed(sentences: list[str]) -> str | None:
    """What one of the last sentences comes to: `so x = 4`, when it is a value that can be read whole."""
    for sentence in reversed(sentences[-_LAST_SENTENCES:]):
        if match := _THEREFORE.match(sentence[:_LONGEST_SENTENCE]):
            value = match["value"].strip(" *_").rstrip(".")
            if len(sentence) <= _LONGEST_SENTENCE and value_of(value).kind != "text":
                return value
        if _TAKEN_BACK.search(sentence):
            return None
    return None


def _whole(text: str, options: Options | None) -> str | None:
    """All of a short text that is no beginning of a longer one."""
    line = text.strip()
    if not 0 < len(line) <= _LONGEST_PHRASE or "\n" in line:
        return None
    if value_of(line, options).kind != "text" or abstains(line, options):
        return line
    if line.startswith("{") or is_label(line) or _SAYS.search(line) or _SAYS_ELSEWHERE.search(line):
        return None  # an object or a label without an answer, or a sentence about one that has been looked at
    if (match := _ALL_IT_SAYS.fullmatch(line)) and value_of(said := match["value"] or match["before"]).kind != "text":
        return said
    unfinished = line.endswith((":", "...", "…", "?")) or _NO_ANSWER.match(line) or len(_END.split(line)) > 1
    unfinished = unfinished or line.count("{") != line.count("}")
    return None if unfinished else line
