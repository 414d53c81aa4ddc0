"""Images of autumn and winter.

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
}
