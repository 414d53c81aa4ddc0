"""Images of the four seasons.

Format of every scenes file: an area holds `scenes`, each with `s` (singular subjects), `p` (bare plural
subjects), `v` (predicates, written in the plural form, the verb first) and `at` (places); every subject of a
scene fits every predicate and every place of it. Beside them: `time` (phrases), `open` and `close` (whole
lines) and `i` (lines with a person in them). `(a|b)` is a choice and `(|a)` an optional word.
"""

AREAS = {
    "autumn": {
        "scenes": [
            {
                "s": """a (red|dry|brown|lone|torn|small) leaf
                    the last (oak|maple|yellow) leaf
                    a (yellow|crimson|fallen|golden) leaf
                    one more (golden|crimson|withered) leaf
                    a (small|quiet|sudden) shower of leaves""",
                "p": """(dry|red|brown|old|slow) leaves
                    (maple|scarlet|golden|yellow|fallen|withered) leaves
                    oak leaves
                    the colors of the maple""",
                "v": """drift (|down|by|past)
                    let go
                    fall (slowly|softly|in silence|without a sound)
                    turn in the wind
                    settle (|softly|one by one)
                    come to rest
                    float down
                    cover the path
                    gather""",
                "at": """on the (old|wet|empty|temple|garden) steps
                    by the (|old|garden|broken) gate
                    in the (cold|morning|evening) wind
                    on (still|dark|quiet) water
                    beneath the (oak|maple|empty swing)
                    where the children played
                    across the (empty|silent) yard
                    on my father's grave""",
            },
            {
                "s": """a (crow|wild goose|lone crow|thin deer)
                    an old (crow|crane|heron)
                    the last (swallow|cricket|dragonfly)
                    a late (cricket|butterfly)
                    a single (crow|goose|cricket)""",
                "p": """(wild|gray) geese
                    crows
                    (black|hungry|noisy) crows
                    the last swallows
                    starlings
                    (late|weary) crickets""",
                "v": """call (|out|once more|to the dusk)
                    cry (|once|far away)
                    pass (|by|over)
                    go (silent|quiet)
                    wait for the dark
                    fly (|south|away)
                    vanish""",
                "at": """over the (bare|empty|harvest|stubble) field
                    above the (bare|stubble|misty) hills
                    in the (cold|gray|failing|fading) light
                    beyond the (bare|dark|distant) trees
                    past the (scarecrow|old barn)
                    in the evening mist""",
            },
            {
                "s": """the (old|tired|ragged) scarecrow
                    a (ripe|heavy|forgotten) pumpkin
                    a basket of (pears|plums|apples)
                    the (empty|silent) orchard
                    a (round|pale|patient) harvest moon""",
                "p": """(ripe|late|heavy|cold) apples
                    pumpkins
                    (orange|heavy) pumpkins
                    the (empty|bare) vineyards
                    (lonely|ragged|old) scarecrows""",
                "v": """wait (|alone|for frost|in the dark)
                    glow
                    lean toward the light
                    keep watch
                    listen
                    shine in the low sun
                    hold the (last|evening) light""",
                "at": """by the (barn|stone wall|kitchen door)
                    in the (first|early|morning) frost
                    at the edge of the (field|orchard|village)
                    behind the farmhouse
                    under a thin moon""",
            },
        ],
        "time": """at dusk
            in (late|deep) autumn
            at harvest
            in October
            in the first frost
            on a gray morning
            after the harvest
            as the days grow short""",
        "open": """first cold wind of fall
            the (days|nights|evenings) (grow|turn) (short|cold)
            wood smoke in the (wind|air|valley|evening)
            (autumn|October) (dusk|dawn|evening|morning)
            mist on the (river|orchard|valley|stubble)
            the first night of frost
            end of the harvest""",
        "close": """(wind|mist) where summer was
            the branches let go
            smoke from a far field
            the first breath of frost
            the whole hillside (burns|glows|sighs)
            wood smoke on my coat
            winter clears its throat
            one branch holds the moon
            (only|and then|now just) the wind stays
            nothing left to (drop|lose|shed)
            even the wind rests
            (cold|dark) comes early now""",
        "i": """I rake the same small (corner|garden|pile) (|again)
            I button my (old|father's|heavy) coat
            I keep one (red|bright|dry) leaf
            we walk home through (smoke|wet leaves|the orchard)
            my grandmother peels a pear
            I (fold|put) the summer away""",
    },
    "winter": {
        "scenes": [
            {
                "s": """the (first|last|soft|new|deep) snow
                    a (light|thin|late|heavy|sudden) snow
                    a (quiet|gentle|silent) snowfall
                    the (night's|morning's) first snow""",
                "p": """(slow|small|large|bright|stray) snowflakes
                    (a few|the first|the last|silent) snowflakes
                    flakes of snow""",
                "v": """fall (|slowly|softly|all night|without a sound)
                    cover (the road|my footprints|the old path)
                    drift (|down)
                    hush the (street|town|village)
                    settle
                    melt (|away)
                    come (back|and go)""",
                "at": """on the (roof|dark pines|stone lantern)
                    on (sleeping|silent) fields
                    over the (dark|frozen|sleeping) town
                    on the (old|temple|empty) bench
                    in the (lamp|street|lantern) light
                    on the black river
                    between the (|dark|bare) pines""",
            },
            {
                "s": """a (red|lone|thin|gray) fox
                    an (owl|old crow|old hare)
                    a (white|small|silent) hare
                    the (old|thin) stray cat
                    a (single|winter) sparrow
                    a (hungry|patient) heron""",
                "p": """(small|cold|three|brown) sparrows
                    (thin|gray) wolves
                    foxes
                    (winter|silent) crows
                    (hungry|patient) deer""",
                "v": """cross the (ice|snow|white field)
                    leave (tracks|a thin trail)
                    wait (|for dawn|in the cold|without a sound)
                    pass (|by|without a sound)
                    pause
                    look back (|once)
                    vanish (|in the snow)""",
                "at": """under the (|frozen|icy|bare) pines
                    by the (|old|frozen|silent) pond
                    beside the (woodpile|frozen creek)
                    at the edge of the (woods|village|clearing)
                    in the (blue|pale|silver) moonlight
                    beyond the last house""",
            },
            {
                "s": """the (old|iron|little) stove
                    a (low|thin) candle
                    the (iron|copper|old) kettle
                    a (single|yellow) window
                    the (bare|black|frozen) branch""",
                "p": """(long|thin|clear) icicles
                    (yellow|distant) windows
                    the (old|bare) rafters
                    (bare|black|frozen) branches
                    embers""",
                "v": """glow (|softly|all night)
                    hum (|to the dark|in the dark)
                    creak (|softly)
                    hold the (|last) light
                    shine (|in the dark)
                    tick in the cold
                    keep me company""",
                "at": """in the (|long|frozen|silent) night
                    beside the (frosted|white) window
                    while the (snow comes down|north wind howls)
                    until (dawn|morning|daybreak)
                    in the (|old|sleeping) farmhouse""",
            },
        ],
        "time": """at (dawn|midnight|daybreak)
            in deep winter
            in December
            in January
            all winter
            on the longest night
            before the thaw
            under the snow""",
        "open": """first snow (of the year|since you left|on the fence|at dusk)
            (deep|long|dark) winter (night|dusk|dawn|evening)
            the pond (frozen|is ice|gone still)
            frost on the (window|mailbox|iron gate)
            the longest night yet
            a year nearly (gone|done)
            no wind, only (snow|stars|cold)
            snow up to the (door|gate|windows)""",
        "close": """the kettle (answers|whispers|begins)
            (snow|stars|cold) and nothing else
            footprints (fill with snow|going home|end here)
            the moon in the ice
            breath (white|pale) as (|the) paper
            only the (snow|wind|stove) talks
            the whole village sleeps
            under it, a seed
            spring is just a word
            the white world holds still
            (silence|darkness|stillness), then more snow
            one (lamp|light) across the (field|lake|snow)""",
        "i": """I warm both hands on (the cup|a bowl)
            I follow my own footprints
            my (scarf|coat) still smells of wood smoke
            I (wait|listen) for the kettle
            we (share|mend) one old blanket
            my breath goes (|on) ahead of me
            I write your name on the (|cold) glass""",
    },
    "spring": {
        "scenes": [
            {
                "s": """a (pale|white|single|fallen) petal
                    the (old|wild|village) cherry tree
                    a plum (branch|blossom)
                    the (young|bent|slender) willow
                    the first (tulip|crocus|blossom)""",
                "p": """(cherry|plum|peach|apple) blossoms
                    (pale|white|pink|loose|stray) petals
                    (wild|small|blue) violets
                    (young|green) willows
                    the first (tulips|blossoms)""",
                "v": """open (|slowly|at last|in the sun|overnight)
                    tremble (|in the wind)
                    drift (|down|by|past)
                    sway (|in the wind|softly)
                    bloom (|again|early|without asking)
                    lean toward the (sun|light|river)
                    wake""",
                "at": """in the (soft|warm|gentle|morning) rain
                    by the (|old|garden|stone|village) wall
                    along the (riverbank|muddy path|canal)
                    beside the (pond|temple|school gate)
                    over the (|slow|quiet) stream
                    above the schoolyard""",
            },
            {
                "s": """a (frog|small frog|young frog|lark)
                    a (robin|blackbird|swallow|skylark)
                    a (newborn|wobbly) (lamb|calf|foal)
                    the first (robin|swallow|bumblebee)
                    a (white|yellow) butterfly""",
                "p": """(small|green|young) frogs
                    (robins|swallows|blackbirds|sparrows)
                    (new|young|white) lambs
                    (yellow|white) butterflies
                    honeybees
                    ducklings""",
                "v": """try out (the sun|the morning|a new song)
                    come back (|home|at last)
                    stir (|in the grass)
                    greet the (sun|rain|morning)
                    begin (|again|once more)
                    wake up (|slowly)
                    tumble (|about)""",
                "at": """by the (pond|old pond|muddy pond)
                    in the (|tall|wet|new|young) grass
                    among the (reeds|blossoms|daffodils)
                    after the (|long|first|warm|evening) rain
                    in (bright|sudden|morning) sunlight
                    beside the (|green) meadow""",
            },
            {
                "s": """the (thawing|muddy|swollen) river
                    a (thin|swift|bright) stream
                    the (last|gray|old) ice
                    snowmelt
                    the (warm|soft) rain""",
                "p": """(thin|swift|bright|mountain) streams
                    (quick|sudden|April) showers
                    rivers
                    the last patches of snow""",
                "v": """run (|down|downhill|to the valley)
                    sing (|to the stones)
                    whisper
                    slip (by|away)
                    soften the (hard|frozen) ground
                    find the old path
                    loosen (|slowly)""",
                "at": """under the (|old|stone|wooden) bridge
                    through the (fields|green valley|village)
                    past the (mill|sleeping mill)
                    between the (stones|roots|furrows)
                    beyond the (plowed|greening) field""",
            },
        ],
        "time": """at (dawn|daybreak|sunrise)
            in April
            in early spring
            after the thaw
            in the warm rain
            on the first mild day
            all morning""",
        "open": """first (warm|mild) day of spring
            the (snow|ice) is (almost|nearly) gone
            (spring|April|soft|gentle) (rain|dawn) at the (door|gate|window)
            the window open
            (mud|rain|sun) on the new path
            buds on the bare (branch|wood)
            the (river|meadow) wakes (|up|again)""",
        "close": """the (ground|hill|world) breathes again
            green (under|after) the (snow|frost|rain)
            a (new|small) leaf unfolds
            (spring|it) asks for nothing
            petals on my (sleeve|shoe|book)
            the frog jumps (again|back in)
            each bud (holds|hides) a (sun|day|light)
            the whole orchard hums
            rain learns to be warm
            (even|now|soon) the stones look warm
            the windows open
            mud on both my boots""",
        "i": """I leave the (back|front) door open
            I hang the quilt in the sun
            we plant (peas|beans|seeds) in the (soft|dark|warm) mud
            my neighbor waves from her porch
            I sweep the winter (off the|from my) porch
            I walk home the longer way
            the child shows me a (worm|bud|snail)""",
    },
    "summer": {
        "scenes": [
            {
                "s": """a (green|lone|bright) firefly
                    a (noisy|single|late) cicada
                    a (blue|red|still) dragonfly
                    a (small|gray|plump) (moth|toad)
                    a (fat|lazy) bumblebee""",
                "p": """(fireflies|cicadas|crickets|dragonflies)
                    (green|soft|drowsy) fireflies
                    (gray|pale|slow) moths
                    (fat|lazy) bees
                    (evening|noisy) crickets""",
                "v": """circle (|the lantern|the porch light)
                    hover (|a moment)
                    rest
                    wander (|off|about)
                    come and go
                    drift (|by|past|through the dark)
                    stir""",
                "at": """in the (|long|tall|dry|uncut) grass
                    over the (|still|dark|warm) pond
                    by the (porch|screen door|garden wall)
                    in the (heat|still heat|evening heat)
                    above the (|wild|red) roses
                    beneath the (|old) fig tree""",
            },
            {
                "s": """the (hot|long|dusty|white) road
                    the (old|rope|porch) hammock
                    a (straw|wide) hat
                    an (old|empty) porch swing
                    the (noon|drowsy) village""",
                "p": """(white|hot|bright) rooftops
                    (wet|faded) towels
                    (dusty|heavy) sunflowers
                    (old|empty) rowboats
                    bicycles""",
                "v": """shimmer
                    wait (|for rain|for the breeze)
                    doze (|off|in the sun)
                    lean (|in the heat)
                    drowse
                    dream of (rain|thunder|the cool night)
                    bask""",
                "at": """in the (noon|white|midday) heat
                    under the (|old|broad) plum tree
                    beside the (|warm|shallow|lazy) lake
                    through the long afternoon
                    in the (deep|blue|speckled) shade
                    at the edge of the (wheat|meadow)""",
            },
            {
                "s": """the (far|slow|distant|evening) thunder
                    a (dark|tall|heavy|sudden) cloud
                    a (brief|warm|quick) (shower|storm)
                    the (heavy|thick) air""",
                "p": """(dark|tall|white|heavy) clouds
                    (warm|fat|sudden) raindrops
                    storm clouds
                    (brief|evening) showers""",
                "v": """gather
                    roll (|in|by|away)
                    build (|all day|slowly)
                    wander (|off|away)
                    come (|close|near)
                    change (its mind|the light)""",
                "at": """over the (wheat|hot hills|dry valley)
                    beyond the (|far|blue|distant) ridge
                    in the (west|late light|yellow light)
                    above the (|still) cornfield
                    behind the (grain|water) tower""",
            },
        ],
        "time": """at (noon|dusk|midday)
            in July
            in August
            all summer
            in the long twilight
            after the thunder
            on the shortest night""",
        "open": """(long|late|hot|high) summer (dusk|noon|night|evening)
            the heat (of the day|will not leave|of August)
            (noon|dusk|midnight) heat, no (wind|breeze|sound)
            (bare|brown) feet in (the|warm) (grass|sand)
            far thunder at (noon|dusk)
            a cold slice of melon
            the last day of school""",
        "close": """(thunder|cloud), then nothing
            the melon rind (shines|curls)
            (dusk|night) smells of (cut|dry) grass
            even the shade sleeps
            the flies nap at noon
            the (day|sun) will not end
            rain thinks about it
            stars (come|slip) out (barefoot|to swim)
            (heat|salt) still on my skin
            a (cool|small) breeze at last
            the ice (melts|clinks) (slowly|once more)
            the night hums (along|to itself)
            bare feet on (warm|cool) stone""",
        "i": """we spit melon seeds (|far) off the porch
            I count the (beats|breaths) till thunder
            my shadow hides (|from me|at noon)
            I (nap|doze) with a book on my face
            we swim out (|once more) past the (|last) rope
            I (drink|gulp) cold water from the (|old) well
            the children will not come in""",
    },
}
