"""Images of spring and summer."""

AREAS = {
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
