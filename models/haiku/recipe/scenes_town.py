"""Images of streets, journeys and computers."""

AREAS = {
    "city": {
        "scenes": [
            {
                "s": """a (taxi|yellow taxi|night bus|street sweeper)
                    the (last|late|empty) (bus|tram)
                    a (lone|small) bicycle
                    a (stranger|young stranger)""",
                "p": """(taxis|yellow taxis|headlights)
                    (late|empty|crowded) buses
                    strangers
                    (tired|silent) commuters""",
                "v": """pass (|by|without a word)
                    stop (|for the light|, then go on)
                    turn the corner
                    wait (|for the green light)
                    vanish (|in the rain)
                    hurry (|home|past)""",
                "at": """on the (|wet|shining|narrow) street
                    under the (|old|iron) bridge
                    by the (corner store|night market)
                    beneath the neon
                    between the (towers|tall buildings)
                    in the blue morning""",
            },
            {
                "s": """a (pigeon|gray pigeon|stray cat)
                    a (paper|plastic) bag
                    the (street lamp|neon|old neon)
                    the (moon|thin moon)
                    a dandelion""",
                "p": """(pigeons|gray pigeons|sparrows)
                    (street lamps|neon signs)
                    (paper|plastic) bags
                    dandelions""",
                "v": """rest (|a moment)
                    tremble (|in the wind)
                    wait (|for dawn)
                    lean (|to one side)
                    linger
                    shine (|in the rain|all night)
                    keep the dark company""",
                "at": """above the (|crowded|empty) street
                    on the (|rusty|iron) fire escape
                    outside the (|all-night) bakery
                    between two (|brick|old|tall) buildings
                    on the (|cracked|gray) sidewalk
                    over the subway""",
            },
        ],
        "time": """at (dawn|dusk|midnight|rush hour)
            after the (last train|parade)
            before the market
            at closing time
            on a Sunday morning""",
        "open": """rush hour, (then the rain|a warm rain|no one talks)
            (neon|streetlight) on wet (stone|streets|brick)
            (city|rooftop|subway) (dawn|dusk), no (rain|wind|noise)
            the market (shuts down|is bright|still sleeps)
            the crosswalk (blinks|counts) (green|down)
            steam from a (|street) grate""",
        "close": """all the windows (hum|glow)
            somebody laughs once
            the city exhales
            steam climbs the (tall|dark) night
            a siren, then (snow|rain|stars)
            far sirens, then (snow|rain|stars)
            no one looks (|at) up there
            (bread|rain) and (gasoline|coffee)
            the streetlights (blink on|go out)
            ten thousand windows
            the moon, still for rent
            even the moon waits
            the same sky for all
            footsteps, then just rain""",
        "i": """I buy (warm|sweet) bread from the night stall
            a stranger holds the (|glass) door
            I know no one and feel home
            we share one small umbrella
            I wave to the street sweeper
            I count (the|) lit windows and walk on
            we talk (softly|of home) under neon
            I (miss|catch) the last bus and walk home
            the barber hums (|to|as) himself""",
    },
    "journey": {
        "scenes": [
            {
                "s": """the (train|night train|last train|slow train)
                    a (|long|slow) freight train
                    the (ferry|milk train)
                    a (truck|lone truck)""",
                "p": """(trains|night trains|freight trains)
                    (|long|slow) freight cars
                    trucks""",
                "v": """cross the (plain|river|dark fields)
                    climb (|slowly|into the hills)
                    leave (|on time)
                    go by (|in the rain)
                    wait (|for no one)
                    whistle (|once|far away)
                    roll on (|through the night)""",
                "at": """through the (|sleeping|empty) town
                    beyond the (|wheat|dark|wide) fields
                    in the (|pale|early) light
                    under the (|cold|prairie) stars
                    past the (|old|empty) station
                    between two mountains""",
            },
            {
                "s": """a (suitcase|worn suitcase|lost glove)
                    a (soldier|young soldier|salesman)
                    the (conductor|old porter)
                    a (sleeping|young) student""",
                "p": """(suitcases|old suitcases)
                    (pilgrims|young soldiers|strangers)
                    (sleeping|noisy) students
                    travelers""",
                "v": """wait (|for morning|for the train)
                    doze (|in the sun)
                    travel (|alone)
                    lean (|against the wall)
                    dream of the (sea|mountains)
                    rest (|a while)""",
                "at": """on the (|long|empty|cold) platform
                    by the (|fogged|open) window
                    in the waiting room
                    under the (|old|station) clock
                    beside the (|dusty|open) road
                    at the border""",
            },
        ],
        "time": """at (dawn|dusk|midnight)
            on the way home
            before the border
            in the last carriage
            after the tunnel
            all night""",
        "open": """the (station|platform) at (dawn|dusk|night)
            one way ticket (home|north)
            (rain|frost|moonlight) on the (tracks|long road|windshield)
            the road (north|home|west) in (rain|snow|the dark)
            a map (without roads|with no names)
            (tunnel|window), then the sea""",
        "close": """the rails hum a while
            my own face looks back
            the (dark|sea) keeps us company
            home (is|, just) a (far|small) light
            someone waves, not to me
            the next stop is (dawn|rain|snow)
            the road bends and (hums|is gone)
            mile after mile, stars
            field after field, snow
            no one gets off here
            the map folds itself
            (dust|rain) where the wheels were
            whistle, then the (night|stars)""",
        "i": """I wave until you are small
            I share (my|an) (orange|apple) with a stranger
            I lean my head on the glass
            we miss the stop (and|but) do not mind
            my ticket marks the last page
            I write (home|you) on a (postcard|napkin) (|again)
            I ride backward (through the|into) (hills|morning)""",
    },
    "computing": {
        "scenes": [
            {
                "s": """a (|single|small|green|blinking) cursor
                    the (|dark|silent) terminal
                    a (|small|stray|single) process
                    the (|old|patient|tired) server
                    a (|single|forgotten) pointer""",
                "p": """(|small|stray|sleeping) processes
                    (|dark|silent) terminals
                    (|old|patient|tired) servers
                    (|lost|stray) pointers
                    (|green|silent) cursors""",
                "v": """blink (|softly|in the dark)
                    wait (|for input|for a key)
                    sleep (|until called)
                    hum (|to the night)
                    dream in (ones and zeros|green and black)
                    wake (|at a touch)
                    return (|nothing|home)""",
                "at": """in the (|cold|dark|humming) machine room
                    behind the (|glass|locked|silent) door
                    on the (|pale|bright|midnight) screen
                    beside the cold coffee
                    under the (|bright|blue|pale) lights
                    while the (city|programmer) sleeps""",
            },
            {
                "s": """the (|long|slow|nightly) compiler
                    a (|small|quiet|hidden) bug
                    the (|inner|endless|outer) loop
                    a (|broken|dangling) link
                    the (|night|last) build""",
                "p": """(|small|quiet|hidden) bugs
                    (|inner|endless|nested) loops
                    (|old|broken) links
                    (|nightly|silent) builds""",
                "v": """pass (|at last|on the first try)
                    run (|until dawn|through the night)
                    fail (|in silence|without a word)
                    hide (|in plain sight)
                    circle (|back)
                    end (|where it began|in silence)
                    begin (|again)""",
                "at": """on line (|number) nothing
                    in the (|old|quiet|sleeping) code
                    deep in the (|old) library
                    between two (|small|quiet) functions
                    beyond the (|last|final|silent) test
                    in the (|long) log of night""",
            },
        ],
        "time": """at (dawn|midnight|daybreak)
            before the release
            after the deploy
            in the small hours
            at the end of the (loop|file)""",
        "open": """(night|late) shift, the (fans|screen) (hum|glows)
            the (screen|cursor) (glows|blinks) (|on) at (dawn|midnight)
            (cold|black) coffee, (green|blue|white) (light|text)
            the last test (goes|turns) green
            fans in the (cold|dark) (|server) room
            moonlight on (the|my) keyboard""",
        "close": """the cursor (still|just) blinks
            the fans (slow|spin) (|down) (|,) then (dawn|rest)
            one bit (flips|turns) to (spring|dawn)
            the moon (compiles too|has no bugs)
            (silence|stillness), then return
            even bugs need sleep
            cold (tea|rice), warm (machine|keyboard)
            outside, real snow falls
            outside, just birds sing
            (zero|nothing) left to fix
            all tests pass: birdsong
            the log ends in (stars|dawn)
            the screen fades (to|, then) (dawn|stars)""",
        "i": """I save the file and (|then) look up
            I trace the bug back to (me|dawn)
            I rename (one|the) variable (|Moon)
            I forget (why|how) I wrote this
            we ship it and (go to sleep|watch the rain)
            I (leave|write) a comment: (so|too) tired
            I close the lid and hear rain""",
    },
    "gpu": {
        "scenes": [
            {
                "s": """the (|warm|silent|humming) machine
                    a (|vast|bright|silent) matrix
                    the (|bright|tiny|warm) silicon
                    a (|long|silent|steady) kernel
                    the (|cold|locked) data center""",
                "p": """(|small|tiny|countless|parallel) threads
                    (|small|warm|countless|tiny) cores
                    (|vast|bright|silent) matrices
                    (|long|silent|steady) kernels
                    (|steady|countless) tensors""",
                "v": """hum (|as one|softly|in the dark)
                    wake (|as one|all at once)
                    bloom into (numbers|answers)
                    dream in (numbers|silicon)
                    whisper (|in numbers)
                    sing (|in silence|to the fans)
                    multiply (|in the dark)""",
                "at": """beneath the (|cold|steady|spinning) fans
                    in the (|deep|blue|cold) memory
                    on the (|warm|green|humming) board
                    inside the (|dark|silent|metal) box
                    behind the (|blue|blinking) lights
                    like (rain|snow) on a (|far|still) lake""",
            },
            {
                "s": """the (|slow|steady|tired) fan
                    a (|thin|copper|golden) wire
                    the (|small|green|amber) light
                    a (|warm|thin) stream of air""",
                "p": """(|slow|steady|tired) fans
                    (|thin|copper|golden) wires
                    (|small|green|amber) lights
                    (|silver|patient) heat sinks""",
                "v": """glow (|softly|all night)
                    hum (|all night|a low song)
                    carry the (heat|numbers|current)
                    tremble (|a little)
                    keep (time|watch)
                    breathe (in|out|in and out)""",
                "at": """in the (|dark|cold|long) server room
                    over the (|hot|bright|tiny) chip
                    above the (|warm|cooling) copper
                    through the (|long|winter) night
                    beside the (|sleeping|silent) disk""",
            },
        ],
        "time": """at (midnight|dawn|full load)
            in one clock cycle
            before the next batch
            after the last epoch
            through the long night""",
        "open": """a (thousand|million) small (threads|suns)
            the fans (begin|spin up|wake first)
            (silent|copper|silicon) (dawn|night|heartbeat)
            (warm|bright) silicon (night|dawn)
            the matrix (unfolds|awakens)
            (threads|cores) in (perfect|silent) (step|rows)""",
        "close": """the fans (slow|sigh|whisper) (down|at dawn|, done)
            heat (drifts|climbs) like (incense|smoke rings)
            numbers (bloom|fall) like (snow|stars|plums)
            the answer (arrives|blossoms)
            one small chip of (stars|summer)
            one board, one summer
            a thought made of (light|sand|heat)
            (sand|stone) that learned to (dream|count|think)
            all the (sums|threads) come home
            the last (warp|thread) returns
            (silence|stillness) at full load
            every thread (at rest|a stream)
            outside, one slow (cloud|crow)""",
        "i": """I listen to the fans (breathe|sing|spin)
            I warm (both|my) hands on the (|warm) case
            I watch the loss curve (descend|settle)
            we wait for one (small|last) number
            I (feed|give) it (words|poems) and it (hums|dreams)
            my room grows warm as (July|summer)""",
    },
}
