"""Images of house, garden, people, books and music."""

AREAS = {
    "home": {
        "scenes": [
            {
                "s": """the (|old|copper|small|iron) kettle
                    a (|cracked|chipped|warm|blue) teacup
                    the (|green|morning|evening) tea
                    a (|warm|small|wooden) bowl of (rice|soup)
                    the (|warm|new|fresh) bread""",
                "p": """(|old|blue|chipped) teacups
                    (|warm|small|wooden) bowls
                    (|old|copper) kettles
                    the (|morning|kitchen) windows""",
                "v": """steam (|softly|in the cold)
                    wait (|for guests|for company)
                    cool (|slowly)
                    shine (|in the sun)
                    sit (|in the sun|in silence)
                    warm the (room|morning|quiet)
                    keep me company""",
                "at": """on the (|old|low|kitchen) table
                    by the (|open|east|kitchen) window
                    beside the (|blue|folded) newspaper
                    in the (|slow|pale) morning
                    on the windowsill
                    next to your (|empty) chair""",
            },
            {
                "s": """the (|old|gray|sleepy|neighbor's) cat
                    a (|small|lazy) dog
                    the (|slow|kitchen|hallway) clock
                    my (|young|sleepy) daughter
                    my (|old|quiet) grandfather""",
                "p": """(|gray|sleepy|spotted) kittens
                    (|old|lazy|muddy) dogs
                    the (|sleepy|barefoot) children""",
                "v": """yawn (|and turn)
                    wait (|by the door)
                    dream (|of the sea|of sparrows)
                    stretch (|in the sun)
                    listen (|to the rain)
                    doze (|off|in the sun)
                    pretend to be asleep""",
                "at": """by the (|warm|iron) stove
                    on the (|worn|sunlit) rug
                    in the (|old|wicker|empty) chair
                    under the (|kitchen|sewing) table
                    in a (|square|patch) of sunlight
                    until (supper|morning)""",
            },
        ],
        "time": """at (dawn|daybreak|breakfast)
            after (breakfast|supper)
            before the (guests|others) wake
            on a slow Sunday
            in the morning light""",
        "open": """(slow|late) Sunday morning
            one (lamp|cup) in the (kitchen|hallway|quiet)
            (steam|sun) on the (|kitchen) window
            the house smells of (bread|soap|soup|rain)
            the hall full of (light|steam|coats)
            (moonlight|sunlight) on the (floor|bed|quilt)
            (dishes|laundry) done, (|the) dusk""",
        "close": """(steam|light) climbs from the (cup|bowl)
            two (cups|bowls), one (|of them) cold
            the (stairs|walls) remember
            a spoon (rests|chimes), then (|only) quiet
            the kettle (agrees|forgets)
            your (coat|chair) by the door
            the day starts with (soup|tea|song)
            nowhere else to go
            the (lamp|cat) outlasts us
            (soup|bread), and (someone|you) to (share|call)
            home is a (small|warm) sound
            sunlight (does|dries) the dishes""",
        "i": """I pour a second (cup|bowl) (|for you|for no one)
            I set the table for two
            I (fold|iron) the (sheets|shirts) (|and|still) warm from the (sun|line)
            my mother (hums|calls) as she (cooks|sweeps)
            we argue, then (wash|dry) the (plates|bowls)
            I peel an orange slowly
            I mend the (same|blue) cup (with|again,) (gold|glue)""",
    },
    "garden": {
        "scenes": [
            {
                "s": """a (|red|white|late|single) rose
                    a (|tall|bent|heavy) sunflower
                    the (|old|bent) lilac
                    a (|purple|small) iris
                    a (|green|slow) tomato vine""",
                "p": """(|red|white|wild|late) roses
                    (|tall|bent|heavy) sunflowers
                    (|wild|white|small) daisies
                    (|purple|tall) irises
                    (|ripe|green) tomatoes
                    poppies""",
                "v": """open (|slowly|overnight)
                    lean (|toward the sun|on the fence)
                    nod (|in the breeze|, half asleep)
                    climb (|the wall|toward the light)
                    bloom (|again|for no one)
                    bow to the (rain|wind)
                    ripen (|slowly)""",
                "at": """by the (|old|low|white|garden) gate
                    along the (|stone|crumbling) wall
                    after the (|warm|long) rain
                    in the (|clay|broken) pot
                    beside the (|cracked|dry) birdbath
                    over the neighbor's fence""",
            },
            {
                "s": """a (bee|lone bee|bumblebee)
                    a (|white|yellow|small) butterfly
                    a (snail|small snail|green beetle)
                    a (wren|brown wren|hummingbird)
                    the (|old|gentle|patient) gardener""",
                "p": """(bees|bumblebees|honeybees)
                    (|white|yellow|small) butterflies
                    (snails|ladybugs|green beetles)
                    (wrens|finches|hummingbirds)
                    (|busy|tiny) ants""",
                "v": """visit the (rose|thyme|lavender)
                    pause (|a moment)
                    linger (|in the sun)
                    work (|slowly|without a word)
                    cross the (path|garden|flagstones)
                    wander (|off|home)
                    hum (|to the clover)""",
                "at": """in the (|wild|tall) mint
                    among the (|ripe|green) beans
                    under the (|broad|squash) leaves
                    beside the (|old|leaking|garden) hose
                    in the (|long|soft|evening) light
                    near the compost heap""",
            },
        ],
        "time": """at (dawn|noon|dusk|daybreak)
            in May
            in the morning dew
            after the (rain|watering)
            all afternoon
            in the late sun""",
        "open": """(dew|sun) on (every|the first) (leaf|petal|rose)
            the garden (|gate) (wakes|swings) (|open)
            (wet|dark) earth, (bare|old) (hands|gloves|feet)
            (mint|thyme|basil) on (the|my) (wind|hands|sleeve)
            seeds in a (paper|brown) (cup|bag)
            (bees|birds) in the (lavender|blossoms)""",
        "close": """(earth|dirt) under my (nails|ring)
            the (weeds|worms) wish me (luck|well)
            the (rose|seed|root) does not rush
            one petal lets go
            the (snail|vine) gets there (first|too)
            green (comes|goes) where it (wants|will|likes)
            the bees know the way
            the watering can
            tomorrow, more (weeds|rain|green)
            a (thorn|seed) in my (thumb|cuff)
            the (soil|root) (keeps|holds) (its secrets|every name)
            sunlight takes its time""",
        "i": """I talk to the beans, they listen
            I talk to the rose, it listens
            I pull one weed and (two|more) come
            I water the (|quiet) roots at dusk
            my neighbor leaves me (|some) plums
            I kneel in the (cool|dark) (earth|soil) and (breathe|hum)
            we eat the first (ripe|sweet) (|red) pea
            I (lose|find) my glove among the (peas|weeds)""",
    },
    "people": {
        "scenes": [
            {
                "s": """my (|old|tired|gentle) mother
                    a (|small|barefoot) child
                    the (|old|kind) teacher
                    an old (friend|man|woman)
                    the (|new|young) father""",
                "p": """two (|old|quiet) friends
                    the (|noisy|barefoot|young) children
                    (|old|young|quiet) lovers
                    (|old|good) neighbors
                    grandparents""",
                "v": """laugh (|softly|out loud|in the rain)
                    wait (|for the moon|for a letter)
                    sing (|a lullaby|off key)
                    walk home (|slowly)
                    smile (|at nothing)
                    whisper (|goodnight)
                    remember the (sea|song|rain)
                    dance""",
                "at": """by the (|old|wooden|garden) gate
                    under (one umbrella|the stars)
                    beneath the (|old|chestnut) tree
                    in the (|small|warm|bright) kitchen
                    on the (|porch|front|narrow) steps
                    in the (|long|slow|summer) dusk""",
            },
            {
                "s": """a (|folded|long|old|late) letter
                    a (|faded|small|torn) photograph
                    the (|silver|thin|wedding) ring
                    a (|red|worn) ribbon
                    the (|old|upright) piano""",
                "p": """(|folded|old|late) letters
                    (|faded|torn) photographs
                    (|old|love) songs
                    (|small|old|quiet) promises
                    (|dry|pressed) violets""",
                "v": """wait (|in a drawer|for years)
                    yellow (|slowly)
                    gather (|dust|light)
                    hold (|one summer|the (light|past))
                    outlast the (house|winter|rain)
                    lie (|in the dark|in silence)
                    speak (|without words)""",
                "at": """in the (|small|wooden|attic) box
                    beside the (|narrow|empty) bed
                    between the (|dry|thin|yellow) pages
                    at the back of the (drawer|closet)
                    under the (|soft|warm) lamplight
                    on the (|dusty|highest) shelf""",
            },
        ],
        "time": """at (dusk|dawn|midnight)
            after all these years
            before the goodbye
            on a (|snowy) birthday
            in the lamplight""",
        "open": """your (hand|voice|laugh) in the (dark|crowd|hallway)
            (one|your) letter, (unsent|folded)
            (old|two) friends on the (porch|bench|roof)
            the last guest (goes home|lingers)
            a knock at the (door|gate)
            your name (in|on) my (mouth|book|sleeve)
            so (many|few) years (now|gone)""",
        "close": """we say it with (tea|bread|hands)
            (some|most) things need no (name|words)
            your (shadow|laughter) in mine
            the moon (knows|hears) it (too|all)
            the door stays (unlocked|open)
            two (cups|chairs), one (window|blanket)
            (silence|quiet), (well|long) worn in
            the years (fold|sit) like (birds|shirts|cranes)
            nobody (lets go|says it)
            (love|light), and then (the rain|the dark)
            a hand (finds|holds) a (|small) hand
            we talk until (dawn|snow|stars)""",
        "i": """I keep your (|old) scarf (|in the drawer|by the door)
            I learn your laugh by heart (|again)
            we (share|split) a (pear|plum) and (a secret|the silence)
            I hum the tune you taught me
            I call just to hear you (breathe|laugh)
            I forgive you, (|and) then myself
            we say goodbye (twice|and|, then) (stay|wave)""",
    },
    "books": {
        "scenes": [
            {
                "s": """a (|blank|torn|single) page
                    an (old|open|unread) book
                    the (|worn|gray|short) pencil
                    a (|small|half written) poem
                    the (|old|silent) library""",
                "p": """(|old|open|borrowed) books
                    (|blank|torn|yellow) pages
                    (|small|old|unread) poems
                    the (|thin|soft) pencils
                    (|quiet|borrowed) stories""",
                "v": """wait (|for a reader|in the dark)
                    rest (|in my lap|in the sun)
                    hold (|a leaf|the silence|one world)
                    open (|by themselves)
                    whisper (|to no one)
                    lean (|to the left)
                    sleep (|in the dust)""",
                "at": """on the (|oak|high|bottom) shelf
                    by the (|small|green) reading lamp
                    under my (|soft|cold) pillow
                    in the (|warm|slanted) lamplight
                    beside the (|cold|empty) teacup
                    at the back of the (shop|classroom)""",
            },
            {
                "s": """a (|slow|wooden|bamboo) flute
                    the (|old|tired) violin
                    a (|far|distant|low) song
                    the (|slow|last) cello
                    a (|young|blind) fiddler""",
                "p": """(|old|street) fiddlers
                    (|far|distant|soft) drums
                    (|slow|soft) violins
                    (|bronze|temple|evening) bells
                    the (|slow|last) notes""",
                "v": """begin (|again|softly)
                    tremble (|in the air)
                    carry (|far|the night|the valley)
                    answer the (rain|wind|silence)
                    rise (|and fall|slowly)
                    linger (|a while)
                    go quiet (|at last)""",
                "at": """across the (|still|dark|evening) lake
                    from the (|open|upstairs) window
                    over the (|wet|tiled|sleeping) roofs
                    in the (|empty|candlelit) hall
                    behind the (|red|velvet|closed) curtain
                    down the (|long|narrow) alley""",
            },
        ],
        "time": """at (dusk|dawn|midnight)
            after the (last class|applause)
            on a rainy day
            in the lamplight
            before sleep""",
        "open": """(ink|dust|light) on (my thumb|the page|old wood)
            the first page (still blank|turns|and rain)
            (rain|dusk) in the library
            a song with no (words|name|end)
            the (pencil|candle) (too short|burns low|rolls off)
            somewhere, (a piano|violins)""",
        "close": """the last line is (snow|rain|breath)
            silence (takes a bow|after)
            the page turns itself
            a leaf marks the (place|page)
            (ink|dust), then the whole (sea|sky)
            the song (finds|knows) its own way
            the last note (stays lit|lingers)
            each word (a small|its own) (lamp|door|seed)
            (rain|wind) knows the (refrain|chorus)
            I am (the|a) (reader|rest)
            the margin (fills up|is wide)
            the ending can wait""",
        "i": """I read the (first|last) line (twice|again) and (stop|sleep)
            I whistle the part I know
            I cross out all but (one word|the moon)
            my teacher taps the beat (out|once)
            we hum (|along) and forget the words
            I fall asleep on page one
            I write (it|this) small, (|so) the moon (fits|leans in)""",
    },
}
