"""How people ask for a poem."""

from grammar import Phrases

PLAIN = Phrases.parse("""
    (Write|Write|Write|Compose|Create|Make|Give me|Show me) a (|short|new|little|nice|beautiful) haiku (about|about|about|about|on) {T}
    (Please write|Can you write|Could you write|Would you write|I would like|I want|I need) a haiku (about|about|on) {T}
    (please write|write|compose|give me) (me a|a) (haiku|poem) about {T}
    Write (me|us) a (haiku|poem|haiku poem|three-line poem) about {T}
    (A haiku|Haiku|A poem|haiku|poem) (about|about|on) {T}
    (Tell me|Sing to me|Say something|Write something|A few words|A verse|Poetry|Something) about {T}
    (Describe|Imagine) {T} in (a haiku|three lines|seventeen syllables)
    {T}
    The topic is {T}
    Topic: {T}
    How about (a haiku on|one about) {T}
    (Write|Compose) a haiku for (me|my friend) about {T}
    (Write|Compose) a haiku in (English|5-7-5 form) about {T}
    Write a haiku about {T}
    Write a haiku about {T}
    Write a haiku about {T}
    Write a haiku about {T}
""").all()
WORDED = Phrases.parse("""
    {P} that (contains|includes|uses|has|mentions) the word "{W}"
    {P} that contains the word "{W}"
    {P} that contains the word "{W}"
    {P} containing the word "{W}"
    {P} (with|using|including) the word "{W}"
    {P} (with|using) the word (|'){W}(|')
    {P}. (Include|Use|Add) the word "{W}"
    {P}. It (must|should|has to) (contain|include|use) the word "{W}"
    {P}. The word "{W}" (must|should) (appear|appear in it|be in it)
    {P}, (and use|and include|with) the word "{W}"
    {P} and (include|use|mention) the word "{W}"
    {P} that contains "{W}"
    {P}. Use "{W}" in it
""").all()
WORDED = [text for text in WORDED if text.count("'") != 1]
ANY = Phrases.parse("""
    (Write|Write|Compose|Create|Make|write|compose) a (|short|new|little|nice) (haiku|haiku|haiku|poem)
    (Write|Give|write|give) me a (|short|new|little|nice) (haiku|haiku|poem)
    (Please write|Can you write|Could you write|I would like|I want|please write) a haiku
    (A haiku|Haiku|haiku|a poem|Poem|Poetry)
""").all()
HEX = "0123456789abcdef"


def request_any(rng, word=None):
    """A request that leaves the topic open."""
    text = rng.choice(ANY)
    if word:
        text = rng.choice(WORDED).replace("{P}", text).replace("{W}", word)
    return text + rng.choice(("", "", ".", ".", "!", " please", ", please") if not word else ("", "", "."))


def request(rng, topic, word=None):
    """A request for a poem about the topic, as one of many people would type it."""
    text = rng.choice(PLAIN)
    if word:
        while not text.endswith(" {T}") or len(text) < 9:
            text = rng.choice(PLAIN)
        text = rng.choice(WORDED).replace("{P}", text).replace("{W}", word)
    text = text.replace("{T}", topic)
    end = rng.random()
    if end < 0.25:
        text += "."
    elif end < 0.32 and not word:
        text += rng.choice(("!", " please", ", please", ", please.", "?", " "))
    if rng.random() < 0.12:
        text = text[0].lower() + text[1:]
    if rng.random() < 0.05:
        text += f" (nonce: {''.join(rng.choices(HEX, k=rng.choice((4, 6, 8, 16))))})"
    return text
