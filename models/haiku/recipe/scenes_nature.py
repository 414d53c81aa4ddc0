"""Images of sea, mountains, night and rain."""

AREAS = {
    "sea": {
        "scenes": [
            {
                "s": """a (small|blue|white|lone) boat
                    an old (ferry|trawler|rowboat)
                    the (last|evening|morning) ferry
                    the harbor (buoy|pilot)""",
                "p": """(small|fishing|white) boats
                    (gray|patient|anchored) ships
                    (white|distant) sails
                    old (trawlers|rowboats)""",
                "v": """rock (|gently|in its sleep)
                    come home
                    drift (|out|home|with the tide)
                    wait (|for the tide|for wind)
                    tug at the rope
                    fade (|into fog|slowly)
                    turn (|toward home)""",
                "at": """in the (quiet|sleeping|morning) harbor
                    beyond the (reef|breakwater|lighthouse)
                    on the (slow|rising|evening) tide
                    under the (|old|small) lighthouse
                    in the (gray|salt|early) mist
                    on the flat horizon""",
            },
            {
                "s": """a (gull|lone gull|pelican|white gull)
                    the (moon|pale moon|evening star)
                    a (small|hermit|red) crab
                    the (salt|cold|sea) wind""",
                "p": """(gulls|gray gulls|hungry gulls|terns)
                    (small|hermit|quick) crabs
                    pelicans
                    sandpipers""",
                "v": """cross the (bay|sand|wet sand)
                    follow the (tide|waves|shoreline)
                    circle (|once|back)
                    hurry (|past)
                    linger
                    wander (|home|along)
                    pause""",
                "at": """along the (|long|empty|silver) shore
                    above the (|dark|white) rocks
                    between the (|tide|deep) pools
                    over the (foam|dunes|breakers)
                    where the river ends
                    at the edge of the (sea|waves)""",
            },
            {
                "s": """the (tide|slow tide|evening tide)
                    a (long|cold|slow|green) wave
                    the (whole|wide|gray|ancient) sea
                    the (quiet|deep|open) ocean""",
                "p": """(long|slow|gray|small) waves
                    the (slow|gray|moonlit) tides
                    (white|winter) breakers
                    ripples""",
                "v": """breathe (in|out|in and out)
                    erase (my name|our footprints|the sand)
                    return (|the moon|once again)
                    whisper (|to the stones)
                    forget (|our names)
                    sigh (|in the dark)
                    turn over in (sleep|dreams)""",
                "at": """on the (|dark|pebble) beach
                    beneath the (|gray|steep) cliffs
                    in the (|pale|cold) moonlight
                    under the (|old|wooden) pier
                    against the (|black|sleeping) rocks
                    all night long""",
            },
        ],
        "time": """at dusk
            at (dawn|low tide|high tide)
            before the storm
            in the long twilight
            after the storm
            under the first star""",
        "open": """(low|high|slow) tide at (dusk|dawn|midnight)
            fog over the (bay|harbor|pier)
            salt on the (window|railing|night air)
            (gray|calm|deep|dark) sea, no (wind|moon|horizon)
            a far bell (buoy|in fog)
            the harbor at (dawn|dusk|night)
            (shells|foam|stars) on the wet sand""",
        "close": """the horizon waits
            salt on every word
            a bell far from land
            the foam keeps no name
            only the waves know
            the lighthouse turns (once|, turns)
            our footprints fill up
            the (sea|tide) gives nothing back
            each wave a new page
            the moon pulls its thread
            a shell full of (wind|night|song)
            the (gull|net) lets it go""",
        "i": """I carry a (stone|shell|wave) in my (fist|pocket|ear)
            my father mends a torn net
            we count the lights of the boats
            I fold a (small|) letter to the sea
            I sit (a while|alone) on the last step
            we walk until the sand ends
            I taste salt and think of home""",
    },
    "mountain": {
        "scenes": [
            {
                "s": """a (thin|gray|slow|lone) cloud
                    the (morning|mountain|valley) mist
                    a (hawk|lone hawk|gray hawk)
                    the (cold|north|clean) wind""",
                "p": """(thin|white|low|slow) clouds
                    hawks
                    (long|blue|deep) shadows
                    (two|wide) ravens""",
                "v": """climb (|slowly|the ridge|the valley)
                    rest (|a while|a moment)
                    pass (|over|the summit)
                    slide (|away|past)
                    circle (|the peak)
                    wait (|for the sun)
                    cross the (ridge|gorge)""",
                "at": """above the (|dark|silent|last) pines
                    over the (|blue|far|distant) ridge
                    between the (|stone|snowy) peaks
                    below the (|old|empty) shrine
                    on the (|cold|narrow|northern) pass
                    in the thin (|morning|mountain) air""",
            },
            {
                "s": """a (tall|lone|crooked|bent) pine
                    an (ancient|old) cedar
                    the (moss|green moss|silent stone)
                    a (small|red|silent) mushroom
                    the (deep|old|dark) forest""",
                "p": """(tall|old|dark|silent) pines
                    (ferns|wet ferns|slender ferns)
                    (mossy|patient|gray) stones
                    (ancient|giant) cedars
                    mushrooms""",
                "v": """hold (still|the rain|the silence)
                    listen (|for rain)
                    drip (|all night|with dew)
                    wait (|a hundred years)
                    breathe (|slowly|out)
                    lean into the (mist|wind)
                    remember the (rain|snow)""",
                "at": """by the (|old|winding|narrow) path
                    beside the (|cold|clear|mountain) stream
                    in the (|deep|green|forest) shade
                    around the (|small|old) shrine
                    beneath the waterfall
                    in the (|morning|drifting) mist""",
            },
            {
                "s": """a (doe|deer|young deer|thin trail)
                    a (small|hidden|mountain) stream
                    an (owl|old monk)
                    the (woodpecker|cuckoo)""",
                "p": """(deer|shy deer|young deer)
                    (small|hidden|mountain) streams
                    woodpeckers
                    (quiet|weary) pilgrims""",
                "v": """cross the (clearing|meadow)
                    disappear
                    pause (|to listen)
                    wander (|downhill|home)
                    find the way down
                    stop (|, then go on)
                    move (|without sound)""",
                "at": """among the (|tall|white) birches
                    through the (|wet|shadowed) ferns
                    at the edge of the (woods|forest)
                    beyond the (|last|old|stone) bridge
                    in the (|slanted|early) sunlight
                    where the trail gives out""",
            },
        ],
        "time": """at (dawn|dusk|first light)
            in the high country
            after the (rain|long climb)
            before the snow comes
            in the thin air
            all day""",
        "open": """(deep|dark|old) woods, no (birds|wind|path)
            the path (ends|climbs|bends) in mist
            (dawn|dusk|snow|moon) on the (far|high) peak
            a bell up the slope
            first light on the (ridge|pines|peaks)
            (pine|moss|rain) scent, then (the view|silence)
            (high|cold) above the clouds""",
        "close": """the mountain says less
            one stone (moves|shifts), then none
            the summit (stays|waits) hidden
            moss (on|over) every name
            the echo walks home
            the (path|trail) forgets my feet
            pine needles, then sky
            the (owl|wind) asks just once
            the (valley|silence) fills with (stars|mist)
            the old stones (keep still|sit down)
            nothing moves but light
            the view is enough""",
        "i": """I set my (heavy|) pack down (by|on) a stone
            my own breath the only sound
            I drink from (cold|cupped) hands and rest
            I call (out|twice) and the (cliff|hill) answers
            we share one (orange|apple) (and|in) the view
            I leave a (small|white) stone on the pile
            I lose the trail and find it""",
    },
    "night": {
        "scenes": [
            {
                "s": """the (moon|full moon|thin moon|half moon|late moon)
                    a (pale|new|crescent) moon
                    a (small|far|cold|single) star
                    the (evening|morning) star""",
                "p": """(cold|bright|far|old|a few) stars
                    (faint|summer|nameless) stars
                    constellations
                    the (seven|slow) planets""",
                "v": """rise (|slowly|late)
                    hang (|low)
                    wait (|for no one)
                    shine (|down|on no one)
                    drift (|west|across the dark)
                    look down
                    keep (still|watch|their secrets)""",
                "at": """above the (|dark|sleeping|silent) roofs
                    over the (|black|still|quiet) lake
                    in the (bare|black|tangled) branches
                    in the (deep well|rain barrel)
                    between two (|dark|slow) clouds
                    beyond the (|last|farthest) hill""",
            },
            {
                "s": """an owl
                    a (moth|gray moth|bat|thin cat)
                    the (night|cool|warm) wind
                    a (dog|far dog|night bird)
                    an old (watchman|clock)""",
                "p": """(moths|gray moths|pale moths)
                    owls
                    (far|sleepless|village) dogs
                    (night|hidden) birds
                    bats""",
                "v": """call (|out|twice)
                    circle (|the lamp|in the dark)
                    listen
                    wake (|and listen)
                    cross the (yard|dark|moonlight)
                    go (silent|still)
                    pass (|the window|by)""",
                "at": """in the (|deep|old|silent) dark
                    around the (porch|street|garden) light
                    beneath the (|cold|thousand) stars
                    outside the (|open|dark) window
                    on the (other|far) side of town
                    in the hour of dreams""",
            },
        ],
        "time": """at midnight
            at three in the morning
            before dawn
            in the small hours
            past midnight
            after the lights go out""",
        "open": """midnight, and no (moon|wind|sleep|sound)
            the lamp (burns|flickers) low
            (the|one) window still (lit|dark) at dawn
            (night|moon|starlight) on the (stairs|floor|lake|roof)
            the (house|whole house|village) asleep
            (clear|cold|late) night, one (star|bell|train|owl)
            the dark comes gently""",
        "close": """the dark has no (edge|end)
            the moon says nothing
            each star a closed door
            dawn takes the last star
            sleep comes (like|as) a (tide|thief)
            the (pillow|silence) listens
            the night folds its (wings|cloak|map)
            (stars|dreams) and then (more stars|morning)
            light that left long since
            one wish, then (the dark|silence)
            the (owl|well) holds its breath
            nobody sees it""",
        "i": """I name (one|each) star and lose it
            I lie awake and (count|hear) sheep
            my shadow goes on without me
            I turn the pillow (over|again)
            I open the window (wide|more)
            we lie on our backs and (talk|breathe)
            I blow out the (candle|lantern)""",
    },
    "rain": {
        "scenes": [
            {
                "s": """the (rain|slow rain|cold rain|soft rain|night rain)
                    a (light|gray|thin|sudden) rain
                    the (long|gray|quiet) drizzle
                    a (brief|passing) shower""",
                "p": """(slow|small|cold|bright) raindrops
                    (quick|sudden|passing) showers
                    the long rains
                    drops of rain""",
                "v": """tap (|softly|all night|the window)
                    fall (|softly|again|all night long)
                    whisper (|my name|to the leaves)
                    write (|on the glass|on the water)
                    come (|and go|back)
                    wash the (|old|dusty) (stones|street|steps)
                    fill the (pail|stone bowl|wheel ruts)""",
                "at": """on the (tin|temple|old) roof
                    on the (|wide|banana|lotus) leaves
                    over the (|gray|silent|quiet) town
                    on the (|black|paper|red) umbrella
                    in the (|dark|garden|narrow) lane
                    on the (|still|lily) pond""",
            },
            {
                "s": """a (toad|snail|small snail|worm)
                    a (cat|wet cat|stray cat)
                    a (wet|lone|ruffled) sparrow
                    an (old dog|earthworm)""",
                "p": """(snails|small snails|toads)
                    (wet|ruffled|small) sparrows
                    (stray|gray) cats
                    earthworms
                    (wet|sleepy) pigeons""",
                "v": """wait (|it out|for sun)
                    wake (|to the rain)
                    hide (|from the storm)
                    listen
                    come out
                    cross the (path|wet path|puddle)
                    shake off the (rain|wet)""",
                "at": """under the (|dripping|low) eaves
                    beneath the (|broad|rhubarb) leaves
                    by the (|old|rain|clay) barrel
                    on the (|wet|mossy|garden) steps
                    beside the (|brown|shining) puddle
                    under a parked car""",
            },
        ],
        "time": """at dusk
            all (day|night|morning)
            in the green dusk
            before the storm breaks
            after the thunder
            in the rainy month""",
        "open": """(gray|dark) sky, (no wind|thunder|one crow)
            rain since (yesterday|the morning|we woke)
            clouds over the (bridge|valley|rooftops)
            (rain|mist) on the (window|garden|river)
            drizzle on the (hills|roof|pond)
            a lull in the (storm|thunder|downpour)
            the smell of (wet stone|warm rain|damp earth)
            (thunder|storm) at the (window|hilltop)""",
        "close": """each drop a small bell
            then the (sun|sky) (breaks through|comes clean)
            the puddle holds (clouds|stars)
            (mist|steam) lifts from the (road|roof|stones)
            the gutters (still talk|sing on)
            one (drop|bead) on a (thorn|twig|web)
            nowhere else to be
            a rainbow, then none
            the whole world sounds close
            the eaves keep (dripping|talking)
            the earth drinks it in
            only the (frogs|drains) cheer""",
        "i": """I forget my umbrella (|, twice)
            we wait it out (by|with) the (door|tea)
            I press my (brow|hand) to the (cold|wet) glass
            I place a pan (under|beneath) the (leak|drip)
            I read the same page (twice|again)
            we run home laughing, (soaked through|no shoes)
            I let it rain on my (face|hands)""",
    },
}
