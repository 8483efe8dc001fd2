"""Talks of one person with an assistant over months, in the shape of LongMemEval (Wu et al., ICLR 2025), from a seed.

Six kinds of question: what the person said once, what the assistant said, what the person likes, what only several
sessions tell together, when something was, and what changed. Each person has 50 sessions of filler that speak of the same
things. Half of the questions use other words than what answers them. Nothing is taken from the original data.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 6, 17, 12, tzinfo=UTC)
FILLER = 50
KINDS = ("user", "assistant", "preference", "multi", "temporal", "update")


@dataclass(frozen=True, slots=True)
class Said:
    author: str
    text: str
    at: datetime
    key: str = ""
    """What a question names it by; empty: filler."""


@dataclass(frozen=True, slots=True)
class Asked:
    kind: str
    question: str
    answers: tuple[str, ...]
    """The keys of what must be found, all of them; of an update the newest first."""


@dataclass(frozen=True, slots=True)
class Talks:
    """One person's: `sessions` in the order of time."""

    sessions: tuple[tuple[Said, ...], ...]
    questions: tuple[Asked, ...] = field(default=())


NAMES = "Lena Omar Priya Tomas Ingrid Kofi Mei Rafael Sofia Yusuf Hanna Diego Aisha Viktor Chloe Bram".split()
PLACES = "Lisbon Tromso Kyoto Oaxaca Ghent Split Tartu Porto Bergen Nara Turin Cork Girona Bath Delft Graz".split()
COUNTS = "three four six seven eight nine eleven twelve fourteen fifteen seventeen eighteen".split()

USER: tuple[tuple[str, str, str], ...] = (
    # what was said, a question in the same words, one in others
    (
        "my commute to the office takes {n} minutes by tram",
        "How many minutes does my commute to the office take?",
        "How long do I travel to get to work?",
    ),
    ("we named the puppy {name} after my aunt", "What did we name the puppy?", "What is my dog called?"),
    (
        "I bought the blue kayak from {name} at the harbour",
        "From whom did I buy the blue kayak?",
        "Who sold me my boat?",
    ),
    (
        "I am allergic to {food}, it makes my throat swell",
        "Which food am I allergic to?",
        "What must I not eat because my body reacts to it?",
    ),
    (
        "my daughter {name} started to play the cello",
        "Which of my daughters plays the cello?",
        "Which of my children is learning a string instrument?",
    ),
    (
        "the rent of our flat is {n} hundred euros a month",
        "What is the rent of our flat?",
        "How much do we pay our landlord for the apartment?",
    ),
    (
        "I graduated in marine biology from the university of {place}",
        "Where did I graduate in marine biology?",
        "At which college did I get my degree?",
    ),
    (
        "my grandmother grew up near {place} on a sheep farm",
        "Where did my grandmother grow up?",
        "In what region did my mum's mother spend her childhood?",
    ),
    (
        "my locker at the gym has the number {n}",
        "What number has my locker at the gym?",
        "Where do I store my clothes while I exercise, which digit?",
    ),
    (
        "the mechanic {name} replaced the brakes of our van",
        "Which mechanic replaced the brakes of our van?",
        "Who repaired our car?",
    ),
    (
        "I paid {n} dollars for the leather jacket at the flea market",
        "How much did I pay for the leather jacket?",
        "What was the price of that coat I found second-hand?",
    ),
    (
        "my landlady {name} lives on the ground floor",
        "On which floor does my landlady live?",
        "Who owns the house I rent in?",
    ),
    (
        "our wedding took place in a chapel in {place}",
        "Where did our wedding take place?",
        "In which town did we get married?",
    ),
    (
        "I take {n} milligrams of the thyroid tablet every morning",
        "How many milligrams of the thyroid tablet do I take?",
        "What is the dose of my medication?",
    ),
    (
        "my brother {name} works as a pilot for a freight airline",
        "Which brother works as a pilot?",
        "Who among my siblings flies planes for a living?",
    ),
    (
        "the wifi router stands behind the piano, its name is {place}net",
        "Where does the wifi router stand?",
        "What is our home network called?",
    ),
)
FOODS = "walnuts shrimp celery kiwi mustard lupins sesame mango hazelnuts mussels peaches soy oysters figs barley rye".split()

ASSISTANT = (
    (
        "For the anniversary dinner I recommend the bistro {place} Garden, which has a quiet terrace",
        "Which bistro did you recommend for the anniversary dinner?",
        "What was the restaurant you suggested for our celebration?",
    ),
    (
        "To quiet the squeaking door, rub the hinges with graphite from a {name} pencil",
        "What did you say to do about the squeaking door?",
        "How can I stop the noise my entrance makes, as you explained?",
    ),
    (
        "A good first novel in that language would be The {place} Clockmaker",
        "Which first novel in that language did you name?",
        "What book did you tell me to begin reading with?",
    ),
    (
        "Set the oven to {n} degrees less and bake the sourdough longer",
        "By how much less should I set the oven for the sourdough?",
        "What temperature change did you advise for my bread?",
    ),
    (
        "The shortcut you want is control with {name}-key, it splits the editor window",
        "Which shortcut splits the editor window?",
        "Which keys did you tell me to press to divide the screen?",
    ),
    (
        "For the marathon, rest {n} days after the longest run",
        "How many days of rest after the longest run did you advise for the marathon?",
        "How long should I recover from my longest jog, according to you?",
    ),
    (
        "Water the orchid only every {n} days and never let the roots stand wet",
        "How often should I water the orchid?",
        "What did you tell me about giving my flower a drink?",
    ),
    (
        "For the visa you need form {place}-{n} and two photographs",
        "Which form do I need for the visa?",
        "What paperwork did you list for entering the country?",
    ),
    (
        "The chess opening I meant is the {name} gambit, played with the knight first",
        "Which chess opening did you mean?",
        "What strategy for the start of the board game did you teach me?",
    ),
    (
        "Name the podcast {place} Calling, it is short and easy to spell",
        "What name did you give for the podcast?",
        "What title did you come up with for my audio show?",
    ),
)

PREFERENCE = (
    (
        "I always stay in small guesthouses with breakfast, big hotels make me feel lonely",
        "Can you suggest a guesthouse for my trip to {place}?",
        "Can you recommend a hotel for my holiday in {place}?",
    ),
    (
        "I only watch documentaries about nature, thrillers keep me awake",
        "Can you suggest a documentary for tonight?",
        "What film should I put on this evening?",
    ),
    (
        "I like my coffee as a flat white with oat milk and no sugar",
        "Which coffee should I order?",
        "What beverage would I enjoy at the café?",
    ),
    (
        "I prefer to work out early in the morning, in the evening I have no energy",
        "When should I work out?",
        "What time of day suits my fitness class best?",
    ),
    (
        "I love jazz with a lot of saxophone and cannot stand heavy metal",
        "Which jazz record could I listen to?",
        "Can you recommend a concert or music for me?",
    ),
    (
        "I cook vegetarian on weekdays and keep fish for the weekend",
        "Can you plan vegetarian meals that I can cook?",
        "What could I make for dinner on Tuesday?",
    ),
    (
        "I use a trackball because a mouse hurts my wrist",
        "Which trackball or mouse should I use?",
        "What accessory should I get for my computer desk?",
    ),
    (
        "I write all my scripts in Python and avoid anything with curly braces",
        "In what should I write my scripts?",
        "Which programming language would you choose for my next tool?",
    ),
    (
        "I would rather take the night train than fly",
        "Should I take the train or fly to {place}?",
        "What is the best way for me to travel to {place}?",
    ),
    (
        "for birthdays I give handmade things, never gift cards",
        "What handmade thing could I give for a birthday?",
        "Any ideas for a present for my friend {name}?",
    ),
)

MULTI = (
    (
        ("I adopted a tortoise today", "a parrot has moved in with us"),
        "Which animals did I adopt or have moved in with us, such as a tortoise or a parrot?",
        "Which pets do I have at home?",
    ),
    (
        ("I planted two apple trees behind the shed", "a plum tree stands in our garden now, too"),
        "Which trees did I plant in our garden?",
        "What kinds of fruit can I harvest in my yard?",
    ),
    (
        ("I ran the half marathon in {place}", "I finished the city triathlon"),
        "Which races such as a half marathon or a triathlon did I finish?",
        "In which sports competitions did I take part?",
    ),
    (
        ("I bought a ukulele for the evenings", "a used accordion arrived today, I could not resist"),
        "Did I buy a ukulele and an accordion?",
        "How many musical instruments do I own?",
    ),
    (
        ("I baked a rye bread for the first time", "my first batch of cinnamon rolls came out of the oven"),
        "What did I bake in the oven, such as rye bread or cinnamon rolls?",
        "Which pastries and loaves have I made myself?",
    ),
    (
        ("I signed up for the pottery course", "the evening class in Italian begins and I am enrolled"),
        "In which course or evening class am I enrolled or signed up?",
        "What lessons am I attending?",
    ),
)

TEMPORAL = (
    (
        "I visited the {thing} museum with {name}",
        "Which museum did I visit {when}?",
        "At which museum was I {when}?",
    ),
    (
        "I went to the {thing} concert in the old hall",
        "Which concert did I go to {when}?",
        "To which concert in a hall did I listen {when}?",
    ),
    (
        "I repaired the {thing} of the bicycle",
        "What did I repair on the bicycle {when}?",
        "Which part of the bicycle did I fix {when}?",
    ),
    (
        "I hiked up the {thing} peak in the rain",
        "Which peak did I hike up {when}?",
        "Which peak was my tour in the mountains {when}?",
    ),
    ("I finished reading {thing}", "What did I finish reading {when}?", "Which book was I done reading {when}?"),
)
THINGS = {
    0: "railway maritime puppet textile clock carriage salt telephone glass coin".split(),
    1: "tango gospel brass fado choir organ ska harp swing flute".split(),
    2: "chain saddle pedal spoke bell dynamo rack handlebar fork basket".split(),
    3: "Raven Granite Widow Copper Falcon Juniper Crow Marble Fox Heron".split(),
    4: [
        "The Lighthouse Keeper",
        "Salt and Iron",
        "A Winter Ledger",
        "The Glass Orchard",
        "Nine Bridges",
        "The Quiet Ferry",
        "Paper Rivers",
        "The Tin Map",
        "Amber Street",
        "The Last Almanac",
    ],
}

UPDATE = (
    (
        "my dentist is doctor {name} on the market square",
        "Who is my dentist now?",
        "Which dentist takes care of me these days?",
    ),
    (
        "my desk at work is on floor {n}",
        "On which floor is my desk at work now?",
        "Where is my desk in the office currently?",
    ),
    (
        "the password hint of the family album is {place}",
        "What is the password hint of the family album now?",
        "What is the current hint for our photo album?",
    ),
    (
        "I swim {n} laps in a training session",
        "How many laps do I swim in a training session now?",
        "How many laps do I do in the pool at the moment?",
    ),
    (
        "our team meets on {day}",
        "On which day does our team meet now?",
        "When does the team get together these days?",
    ),
    (
        "my savings for the sailing boat are {n} thousand euros",
        "What are my savings for the sailing boat by now, the latest?",
        "How much have I put aside for the sailing boat, the latest figure?",
    ),
    ("I live in {place}", "Where do I live now?", "Where is the home I live in currently?"),
    (
        "my personal best over ten kilometres is {n} minutes",
        "What is my personal best over ten kilometres now?",
        "What is my current best over ten kilometres?",
    ),
)
DAYS = "Monday Tuesday Wednesday Thursday Friday".split()

_OPENERS = (
    "By the way, {said}.",
    "I wanted to tell you that {said}. Anyway, can you help me with a shopping list?",
    "Today was long. {Said}, and then the evening was calm.",
    "Before I forget: {said}. What do you think about that?",
    "{Said}. Could you write a short note about it for my diary?",
    "So, {said}. Now to something else: I need a good excuse for being late.",
)
_NOUNS = (
    " accordion album allergy apartment bicycle bike birthday boat book brakes bread car cello chapel chess coffee"
    " commute concert course dentist desk dinner documentary dog door editor exhibition farm film flat flower form"
    " garden guesthouse gym harbour hinge home hotel jacket jazz kayak kilometres language laps lesson locker marathon"
    " market mechanic money mountain museum music novel office orchid oven parrot password peak pet piano pilot"
    " podcast puppy record rent restaurant router savings script sourdough tablet team teeth terrace tortoise town"
    " trackball train training tram tree triathlon ukulele university vegetarian visa wedding window workout"
).split()
"""What the questions are about: filler speaks of them now and then."""
_OTHERS = (
    " accountant algae anthem antique archive bakery ballet bamboo beaver beehive blizzard bridge budget cactus"
    " calendar canal caravan carpet castle cathedral ceramics cinema comet compass coral debate dessert dictionary"
    " election elevator enzyme fable fabric falcon ferry festival folklore garage glacier grammar hammock"
    " harbourmaster harvest hobby hurricane igloo insect insurance jigsaw journey kettle keyboard lagoon lantern"
    " laundry lawyer lighthouse magnet meadow microscope monsoon mosaic mushroom neighbour notebook oasis ocean opera"
    " orchard origami parachute parade pendulum pepper pigeon planet plankton pottery puzzle pyramid quarry quilt"
    " recipe robot saffron sapphire satellite scarf sculpture season spice statue tariff telescope theatre thermostat"
    " tractor treaty tunnel turbine umbrella uniform village vineyard violin volcano waffle weather windmill yoghurt"
    " zeppelin"
).split()
_OF_THESE = 0.2
_ASKS = (
    "Can you explain how a {a} is usually chosen when {b} matters, and what people get wrong about it most often?",
    "I have to write a page on the history of the {a} for school, where would you begin, and should {b} be in it?",
    "Write a short poem about a {a} and a {b}, please without rhymes, I want to read it to a neighbour tomorrow.",
    "How do people abroad deal with {a} and {b}? I saw a report on television and it did not go into that at all.",
    "I read an article on {a}; is it true that {b} plays a role in it, or is that only what the authors would like?",
    "My colleague keeps talking about {a}, why is that so popular at the moment, and what has {b} to do with it?",
    "Is {a} or {b} more expensive in general? I do not want to buy anything, I am only curious how prices come about.",
    "Help me to plan a talk about {a} for beginners, with something on {b} towards the end, in twenty minutes at most.",
    "What would a good title for a story about {a} be, if the villain is obsessed with {b} and nobody believes him?",
)
_TELLS = (
    "A {a} is chosen by its use. Many people look at {b} first, then at the price, and in the end they take what a friend "
    "has. Consider {c} as well, since it lasts longer, and ask whether you can bring it back within two weeks.",
    "In short: {a} has changed a lot over the last century. It began with {b}, went on with {c}, and today most of it is "
    "done by machines, which is cheaper but not better, as every second study shows. I would begin with one picture.",
    "Here is a draft. The {a} stood by the {b}, the evening was long, and nobody spoke of {c}. The lamps went out one by "
    "one, and somewhere a radio played what everybody knew. Shall I make it longer, or add another verse?",
    "It depends. Experts on {a} say that {b} matters more than one thinks, and that {c} is often forgotten. There are "
    "studies for both sides, and most of them are small. I can list sources if you like, with a sentence on each.",
    "Three things: {a} is older than it seems; {b} and {a} are often confused by newspapers; and the largest {c} in the "
    "world stands in a collection that nobody visits. Which of them would you like to hear more about?",
    "Start with a question to the audience about {a}. Then show {b} with a picture, tell a story of {c}, and close with "
    "one sentence to remember. Leave the numbers out, nobody keeps them, and end two minutes early.",
)


def people(seed: int, many: int) -> Iterator[Talks]:
    """The talks of *many* people."""
    for number in range(many):
        yield _person(random.Random(f"{seed}:{number}"))


def _person(rng: random.Random) -> Talks:
    evidence: list[tuple[float, list[Said]]] = []
    questions: list[Asked] = []
    made = _Made(rng, evidence, questions)
    for group in (made.users, made.assistants, made.preferences, made.multis, made.temporals, made.updates):
        group()
    filler = [(rng.uniform(1, 300), _session(rng, [])) for _ in range(FILLER)]
    sessions = sorted([*filler, *evidence], key=lambda one: -one[0])
    dated = tuple(_dated(talk, days) for days, talk in sessions)
    rng.shuffle(questions)
    return Talks(dated, tuple(questions))


def _dated(talk: Sequence[Said], days: float) -> tuple[Said, ...]:
    start = NOW - timedelta(days=days)
    return tuple(Said(one.author, one.text, start + timedelta(minutes=2 * n), one.key) for n, one in enumerate(talk))


def _session(rng: random.Random, told: Sequence[Said]) -> list[Said]:
    """Some turns back and forth, with what is *told* somewhere among them."""
    talk: list[Said] = []
    for _ in range(rng.randint(2, 4)):
        a, b, c = (rng.choice(_NOUNS if rng.random() < _OF_THESE else _OTHERS) for _ in range(3))
        talk.append(Said("user", rng.choice(_ASKS).format(a=a, b=b), NOW))
        talk.append(Said("gpt", rng.choice(_TELLS).format(a=a, b=b, c=c), NOW))
    at = 2 * rng.randint(0, len(talk) // 2)
    for one in reversed(told):
        talk.insert(at, one)
    return talk


@dataclass(slots=True)
class _Made:
    rng: random.Random
    evidence: list[tuple[float, list[Said]]]
    questions: list[Asked]
    number: int = 0

    def key(self) -> str:
        self.number += 1
        return f"k{self.number}"

    def slots(self) -> dict[str, str]:
        pick = self.rng.choice
        return {"n": pick(COUNTS), "name": pick(NAMES), "place": pick(PLACES), "food": pick(FOODS), "day": pick(DAYS)}

    def tell(self, said: str, days: float, *, author: str = "user") -> str:
        """Have it said in a session of its own so many days ago; its key."""
        key = self.key()
        if author == "user":
            shown = self.rng.choice(_OPENERS).format(said=said, Said=said[0].upper() + said[1:])
            turns = [
                Said("user", shown, NOW, key),
                Said("gpt", "Thank you for telling me. What else is on your mind?", NOW),
            ]
        else:
            ask = f"Let us speak of something else. {self.rng.choice(_ASKS).format(a='this', b='that')}"
            turns = [Said("user", ask, NOW), Said("gpt", f"{said}. Tell me how it goes.", NOW, key)]
        self.evidence.append((days, _session(self.rng, turns)))
        return key

    def ask(self, kind: str, same: str, other: str, answers: Sequence[str], **slots: str) -> None:
        question = (same if self.rng.random() < 0.5 else other).format(**slots)
        self.questions.append(Asked(kind, question, tuple(answers)))

    def users(self) -> None:
        for said, same, other in self.rng.sample(USER, 10):
            slots = self.slots()
            self.ask("user", same, other, [self.tell(said.format(**slots), self.rng.uniform(2, 280))], **slots)

    def assistants(self) -> None:
        for said, same, other in ASSISTANT:
            slots = self.slots()
            key = self.tell(said.format(**slots), self.rng.uniform(2, 280), author="gpt")
            self.ask("assistant", same, other, [key], **slots)

    def preferences(self) -> None:
        for said, same, other in PREFERENCE:
            self.ask("preference", same, other, [self.tell(said, self.rng.uniform(2, 280))], **self.slots())

    def multis(self) -> None:
        for said, same, other in MULTI:
            slots = self.slots()
            keys = [self.tell(one.format(**slots), self.rng.uniform(2, 280)) for one in said]
            self.ask("multi", same, other, keys, **slots)

    def temporals(self) -> None:
        """The same thing at four times, of which the question names one."""
        for number, (said, same, other) in enumerate(TEMPORAL):
            things = self.rng.sample(THINGS[number], 4)
            days = [self.rng.uniform(*span) for span in ((3.6, 8.9), (48, 76), (110, 170), (200, 280))]
            keys = [
                self.tell(said.format(thing=thing, name=self.rng.choice(NAMES)), ago)
                for thing, ago in zip(things, days, strict=True)
            ]
            for at in self.rng.sample(range(4), 2):
                self.ask("temporal", same, other, [keys[at]], when=self._when(at, days[at]))

    def _when(self, at: int, days: float) -> str:
        moment = NOW - timedelta(days=days)
        month, iso = f"in {moment:%B} {moment:%Y}", f"on {moment:%Y-%m-%d}"
        if at == 0:
            return self.rng.choice(["last week", iso, f"on {moment:%B} {moment.day}"])
        if at == 3:
            return self.rng.choice([month, iso, f"before {moment + timedelta(days=9):%Y-%m-%d}"])
        return self.rng.choice(
            [month, iso, f"between {moment - timedelta(days=4):%Y-%m-%d} and {moment + timedelta(days=4):%Y-%m-%d}"]
        )

    def updates(self) -> None:
        for said, same, other in UPDATE:
            old, new = self.slots(), self.slots()
            while said.format(**old) == said.format(**new):
                new = self.slots()
            first = self.tell(said.format(**old), self.rng.uniform(120, 280))
            second = self.tell(said.format(**new), self.rng.uniform(3, 100))
            self.ask("update", same, other, [second, first])
