"""Lines that hold the topic, a number or a wanted word: `{T}` stands for the topic, `{W}` for the word."""

# Fit any topic, whatever its number or article.
TOPIC_FIRST = """
ah, {T} | oh, {T} | just {T} | still, {T} | and {T} | now, {T}
once more, {T} | again, {T} | at dusk, {T} | at dawn, {T} | tonight, {T} | only {T} | at last, {T} | alone with {T}
thinking of {T} | dreaming of {T} | nothing but {T} | at first light, {T} | a dream of {T} | a song of {T}
all day long, {T} | the sound of {T} | in praise of {T} | half asleep: {T} | one more time, {T} | the thought of {T}
far from home, {T} | no news of {T} | a toast to {T} | the scent of {T} | a sketch of {T} | goodbye to {T}
remembering {T} | I think about {T} | before the rain, {T} | I wake up to {T} | the mystery of {T}
a photograph of {T} | she whispers of {T} | she tells me of {T} | a small book about {T} | a letter about {T}
quiet thoughts of {T} | somewhere, far off, {T} | late at night, only {T} | no moon, only {T} | after the rain, {T}
I close my eyes and see {T} | all night long I dream of {T} | the old poet writes of {T} | the children whisper of {T}
all evening we talk about {T} | my grandfather speaks of {T} | in the dark I think of {T} | no one asks me about {T}
on the radio, {T} | in an old notebook, {T} | a lullaby of {T} | strangers on a train talk of {T}
rain on the window, and {T} | the teacher draws us {T} | between two heartbeats, {T} | I hum a tune for {T}
moonlight, a cup of tea, {T} | in my pocket, {T} | a postcard of {T} | under the wide sky, {T} | my first glimpse of {T}
a long letter about {T} | in the margin, {T} | the wind carries {T} | morning light on {T} | mist, and behind it, {T}
"""
TOPIC_LAST = """
and always, {T} | and again {T} | this, too, is {T} | and at the end, {T} | the whole world is {T} | and there it is: {T}
and still I love {T} | and nothing but {T} | the moon is {T} | I bow to {T} | my only {T} | goodnight, {T} | and I hum: {T}
all this is {T} | I whisper {T} | the wind says {T} | and then, only {T} | I dream of {T} | so much for {T} | wake me for {T}
and beyond it, {T} | the last word: {T} | and only {T} | an ode to {T}
"""
# Begin with the topic: for topics whose spelling the model knows by heart.
TOPIC_HEAD = """
{T} again | {T} once more | {T} tonight | {T} at dusk | {T} at dawn | {T} in the rain | {T} in moonlight
{T} at daybreak | {T} under the stars | {T}, you and I | {T} after the rain | {T}, then silence | {T}, nothing more
{T}, and a long sigh | {T}, as in a dream | {T}, so quiet now | {T}: I hold my breath | {T} | {T}, and yet | {T}, a slow breath
{T}, and then a bird's cry | {T}, and the smell of rain | {T}, like an old friend | {T} in the first light
"""
NUMBER = """
the (old|) clock says {W} | the clock strikes {W} | the station clock reads {W} | a far bell counts {W} | it is {W} past
the kitchen clock stops at {W} | I count to {W} (|again) | page {W} (|of an old book) | the child counts to {W}
room {W}, (no one home|a lamp still on) | house number {W} | seat {W}, by the window | platform {W} (|in the rain)
candle number {W} | bus {W}, late again | the clock hands rest on {W} | the hands meet at {W} | verse {W} of the song
the clock whispers {W} | minute {W}, no wind | my watch says {W} | at minute {W}, silence | stair {W} creaks again
the tower clock shows {W} | the minute hand nears {W} | a voice says {W} | the train leaves at {W} | I stop at {W}
the timer shows {W} | locker {W}, still locked | row {W}, under the lights | I breathe and count {W} | number {W} calls
"""
NUMBER_MANY = """
{W} slow (bells|breaths|steps) | {W} (small|white|paper) boats | {W} winters (ago|gone) | {W} steps to the (door|gate|sea)
{W} (slow|quiet|long) minutes | {W} paper lanterns | {W} stars (|above the roof|over the hill|and counting)
I count {W} (stars|crows|lights|gulls|bells) | {W} minutes past | {W} minutes to (dawn|go|wait) | only {W} (stars|left)
{W} (lamps|lights) on the hill | {W} crows on the wire | {W} lines in the (snow|sand) | {W} letters, (all unread|tied with string)
{W} drops (of rain|from the eaves) | {W} seeds in my (hand|palm) | {W} small (footprints|ripples) | {W} breaths until dawn
{W} old (coins|friends|photographs) | {W} swallows (on a wire|come home) | {W} miles to go | {W} waves, then (silence|stillness)
"""
NUMBER_ONE = """
{W} slow (bell|breath|step) | {W} (small|white|paper) boat | {W} winter (ago|gone) | {W} step from the (door|gate|sea)
{W} (slow|quiet|long) minute | {W} paper lantern | {W} star (|above the roof|over the hill) | only {W} star (|left)
{W} (lamp|light) on the hill | {W} crow on the wire | {W} line in the (snow|sand) | {W} letter, unread
{W} drop of rain (|from the eaves) | {W} seed in my (hand|palm) | {W} small (footprint|ripple) | {W} breath until dawn
{W} old (coin|friend|photograph) | {W} swallow on the wire | {W} mile to go | {W} wave, then (silence|stillness)
"""
NUMBER_TECH = """
core {W} (wakes up|is warm|waits its turn) | thread {W} (waits|sleeps) | line {W} of the code | port {W} (listens|is still)
step {W} of the loop | batch {W} (|begins|is done) | bit by bit to {W} | node {W} (answers|blinks|hums) | kernel {W} runs
the loop counts to {W} | the fan spins at {W} | the cursor stops at {W} | block {W} is cached
"""
NUMBER_TECH_MANY = """
{W} threads (run|wait|wake|hum) (|as one|in the dark) | {W} warm cores | {W} green lights (blink|glow) (|at once|in the dark)
{W} fans (turn|hum) (|in the dark) | {W} tokens (|later|per breath) | {W} cables, (all humming|one heartbeat)
{W} small kernels run | {W} bytes in a row | {W} watts of summer
"""
WORD = """
one word: {W} | you whisper {W} | someone whispers {W} | a note that says {W} | the wind says {W} | the word {W}
carved in the bark: {W} | my breath spells {W} | I write {W} (|in the sand|in the snow|on my palm|in the dust)
chalk on the wall: {W} | the child spells {W} | the stars spell {W} | I murmur {W} | the last word is {W}
an old sign says {W} | she says {W} and (smiles|laughs) | the echo is {W} | ink on the page: {W} | I dream of {W}
the letter says {W} | the parrot says {W} | a single word, {W} | the river says {W} | you said {W} once
between the lines, {W} | the poem says {W} | a whisper: {W} | thinking of {W} | the night hums of {W} | on a leaf, {W}
"""


def entries(block):
    """The frames of a block, choices left in."""
    out, depth, current = [], 0, ""
    for letter in block.replace("\n", " | "):
        depth += (letter == "(") - (letter == ")")
        if letter == "|" and not depth:
            out.append(current.strip())
            current = ""
        else:
            current += letter
    return [entry for entry in out if entry]
