"""Invented words for topics nobody has seen, and the real words that training must never see."""

import re

from lexicon import LEXICON
from syllables import by_rule

ONSETS = "b bl br c ch cl cr d dr f fl fr g gl gr h j k kn l m n p ph pl pr qu r s sc sh sk sl sm sn sp st str sw t th tr tw v w wh y z".split()
NUCLEI = "a a a e e e i i i o o u u ai ea ee ie oa oo ou ow y au ei".split()
CODAS = "b ck d ff g k l ll m n n n nd ng nk nt p r r rd rk rn rt s sh sk ss st t t th x z lt mp ns ct ft".split()
ENDINGS = "er ing ion tion ity ness ment ist ism al ic ous able ful ly age ure ate ine ium ist ia o a i y ette eum us es ed in or is".split()
LETTERS = "etaoinshrdlucmfwypvbgkjqxz"

HELD_OUT = """origami penguin kubernetes volcano giraffe saxophone pancake avocado telescope dinosaur
pirate castle zebra kangaroo elephant submarine astronaut caterpillar pyramid wizard dragon mermaid unicorn cactus
blueberry pepper garlic spinach mango pineapple cookie noodle burrito sandwich cinnamon vanilla lemonade espresso
hockey tennis football basketball skateboard surfing yoga karate ballet trumpet clarinet harmonica orchestra circus
magician clown acrobat detective plumber dentist astronomer carpenter sculptor knight emperor samurai ninja viking
gladiator cathedral museum stadium hospital factory windmill igloo cottage balcony elevator escalator motorcycle
helicopter rocket satellite galaxy asteroid nebula quasar electron neutron molecule protein enzyme vaccine fossil
glacier tundra savanna jungle swamp geyser tornado earthquake avalanche hurricane tsunami hedgehog squirrel badger
otter walrus octopus jellyfish starfish lobster shrimp salmon shark crocodile lizard tortoise chameleon gorilla
leopard panther cheetah hamster parakeet flamingo peacock ostrich falcon democracy bureaucracy economics inflation
typescript javascript terraform postgres blockchain bitcoin quantum photon Norway Brazil Chicago Berlin Egypt
Shakespeare Mozart Einstein Jupiter Saturn""".split()
HELD_OUT = [word for word in HELD_OUT if word.lower() not in LEXICON]
BARRED = {word.lower() for word in HELD_OUT}


WORDS = [word for word in LEXICON if word.islower() and len(word) > 3]


def syllabic(rng, syllables):
    """A word of that many syllables, agreed with the spelling rule."""
    while True:
        word = ""
        for place in range(syllables):
            onset = rng.choice(ONSETS) if place == 0 and rng.random() < 0.85 or place and rng.random() < 0.75 else ""
            word += onset + rng.choice(NUCLEI)
            if rng.random() < (0.7 if place == syllables - 1 else 0.3):
                word += rng.choice(CODAS)
        if rng.random() < 0.25:
            word = re.sub(r"[aeiouy]*$", "", word) + rng.choice(ENDINGS)
        if rng.random() < 0.15:
            word += "s" if word[-1] not in "sxz" else "es"
        if fresh(word) and by_rule(word) == syllables and 2 < len(word) < 15:
            return word


def spliced(rng):
    """The front of one known word and the back of another: the look of English, and rare pieces of the vocabulary."""
    while True:
        front, back = rng.choice(WORDS), rng.choice(WORDS)
        made = front[: rng.randint(0, min(5, len(front)))] + back[rng.randint(0, max(0, len(back) - 2)) :]
        if fresh(made) and 3 < len(made) < 14:
            return made


def scrambled(rng):
    """A string of letters without phonetics."""
    word = "".join(rng.choices(LETTERS, k=rng.randint(3, 10)))
    return word if fresh(word) else "zq" + word


def fresh(word):
    return word.lower() not in BARRED and word.lower() not in LEXICON


def word(rng):
    """One word for a topic: invented, now and then a known one, sometimes capitalised or an acronym."""
    kind = rng.random()
    if kind < 0.05:
        return "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVXYZ", k=rng.randint(2, 4)))
    if kind < 0.12:
        made = scrambled(rng)
    elif kind < 0.5:
        made = spliced(rng)
    elif kind < 0.6:
        made = rng.choice(WORDS)
    else:
        made = syllabic(rng, rng.choices((1, 2, 3, 4, 5), (3, 5, 4, 2, 1))[0])
    return made.capitalize() if rng.random() < 0.12 else made


def phrase(rng, nouns):
    """A topic of one to three words: invented ones, alone or beside known ones."""
    kind = rng.random()
    if kind < 0.6:
        return word(rng)
    if kind < 0.72:
        made = word(rng)
        return f"{'an' if made[0].lower() in 'aeio' else 'a'} {made}"
    if kind < 0.8:
        return f"the {word(rng)}"
    if kind < 0.87:
        return f"{word(rng)} {word(rng)}"
    if kind < 0.94:
        return f"{rng.choice(ADJECTIVES)} {word(rng)}"
    return f"{rng.choice(nouns)} and {rng.choice(nouns)}" if rng.random() < 0.5 else f"{word(rng)} {rng.choice(nouns)}"


ADJECTIVES = "old small quiet blue red cold warm lonely happy green silent bright new big tiny lost slow dark sweet".split()
