"""The poems' words by number of syllables, checked by hand."""

BY_COUNT = {
    1: """
        a ah air all am an and ant ants are art as asks at back backs bag bags bare bark barn bask basks bat
        batch bats bay be beach bead beans bear beat beats bed bee bees bell bells bench bends bent best bird
        bird's birds bit black blank blind blink blinks block bloom blooms blow blue board boat boats book
        books boots both bow bowl bowls bows box branch bread breaks breath breathe breathes breaths breeze
        brick bridge brief bright broad bronze brow brown bud buds bug bugs build builds burns bus but buy by
        bytes cached calf call called calls calm can car card cards cars carved case cat catch cats chair
        chairs chalk change cheer cheese chess child chimes chip chipped class clay clean clear clears cliff
        cliffs climb climbs clinks cloak clock close closed cloud clouds coat coats code coin coins cold come
        comes cooks cool cools core cores count counts crab crabs cracked crane cranes creak creaks cream
        creek cries cross crow crowd crows cry cuff cup cupped cups curls curve cut damp dance dark dawn day
        days death deep deer dew dirt disk do doe does dog dogs done door down doze drains draws dream dreams
        dries drift drifts drink drinks drip drips drop drops drowse drums dry dunes dusk dust each ear earth
        east eat eaves edge eight else end ends eyes face fade fades fail fails faint fall falls fan fans far
        fat feed feel feet fence ferns few field fields fig file fill fills find finds fire first fist fits
        five fix flakes flat flies flips float floats flood floor flute fly foal foam fog fogged fold folds
        for four fox freight fresh friend friends frog frogs from front frost full gate geese gets give gives
        glass glimpse glove gloves glow glows glue go goes gold gone good goose gorge grain grass grate grave
        gray green greet greets grief ground grow grows growth guest guests gull gulls gulp half hall hand
        hands hang hangs hard hare has hat hawk hawks head heap hear hears heart heat her herbs here hide
        hides high hill hills hold holds home hope hose hot hour hours house how howls hum hums hush i ice in
        ink is it its jazz joy jumps june just keep keeps key kind kneel knock know knows lake lamb lambs lamp
        lamps land lane lap large lark last late laugh laughs leaf leak lean leans learn learned learns leave
        leaves left less let lets lid lie lies life lifts light lights like likes line lines link links lit
        load locked log lone long look looks loop loops loose lose loss lost loud love low luck lull made man
        map march marks mars may me meet melt melts mend mends mild mile miles milk mill mind mine mint miss
        mist monk month moon more moss most moth moths mount mouth move moves much mud my nails name names nap
        near nears need net new news next night night's nights nine no nod node nods noise none noon north not
        note notes now oak ode of off oh old on once one ones our out owl owls own pack page pail pale palm
        pan parked part pass past patch path pause pea peace peach peak peaks pear pears peas peel peels per
        pier pile pine pines pink place plain plant plates play played plowed plum plump plums point pond
        pools porch port pot pour praise press pressed pull pulls put quick quilt rails rain rains rake read
        reads real red reeds reef rent rest rests rice ride ridge rind ring rings ripe rise road roads rock
        rocks roll rolls roof roofs room root roots rope rose round row rows rug run runs rush rust ruts said
        sails salt same sand save say says scarf scent school screen sea seat see seed seeds sees set shade
        shake shakes share she shed sheep sheets shelf shell shells shift shifts shine shines ship ships
        shirts shoe shoes shop shops shore short shows shrine shuts shy side sigh sighs sight sign signs since
        sing sings sinks sit sits six sketch skin sky sleep sleeps sleeve slice slide slides slip slips slope
        slow small smell smells smile smiles smoke snail snails snow so soaked soap soft soil some song songs
        soon sound sounds soup source south space speak speaks spell spells spin spins spit split spoon spring
        square stair stairs stall star stars starts stay stays steam steams steep step steps still stir stirs
        stone stones stop stops store storm stove straw stray stream streams street streets stretch strikes
        string sums sun suns sway sways sweep sweeps sweet swift swim swing swings takes talk talks tall tap
        taps taste taught tea tells ten terns test tests text that thaw the their them then there these they
        thick thief thin things think thinks this thorn thought thoughts thread threads three throat through
        thumb thyme tick ticks tide tides tied tiled till time tin tired to toad toads toast too torn touch
        town trace tracks trail train trains tram tree trees tries trip truck trucks trust try tug tugs tune
        turn turns twelve twice twig two up us vast verse view vine voice wait waits wake wakes walk walks
        wall walls wants war warm warms warp was wash watch watts wave waves way we web weed weeds well were
        west wet whales wheat wheel wheels where while white whole why wide wild will wind wings wire wires
        wish with woke wolf wolves wood woods word words work works world worm worms worn wren wrens write
        writes wrote yard yawn yawns year years yet york you young your youth zen
    """,
    2: """
        CUDA VRAM about above across after again against ago agrees ahead airplanes airport alley almost alone
        along always amber among anchored ancient answer answers applause apple apples april arctic argue
        around arrives asking asleep attic august autumn awake away baby backward bamboo barber barefoot
        barrel basho basil basket beauty beetle beetles before began begin begins behind below beneath beside
        between beyond birches birdbath birdsong birthday blackbird blackbirds blanket blinking blizzard
        blossom blossoms bonsai border borrowed bottom branches breakers breakfast broken buildings buoy buses
        busy butter button cables cafe canal candle candles canyon carriage carries carry cedar cedars cello
        center changes cherry chestnut childhood children chocolate chorus christmas circle circles city
        classroom clearing closet closing clover coding coffee color colors comet comfort command comment
        compiles compost cooking cooling copper coral corner cornfield counting countless country courage
        cover covers crescent cricket crickets crimson crocus crooked crosses crosswalk crowded crumbling
        cuckoo current cursor cursors curtain cycle daisies daisy dances dancing dangling darkness data
        daughter daybreak deploy descend descent desert dinner dishes distance distant dolphins downhill
        downpour dozes drawer dreaming drifting dripping drizzle drowses drowsy ducklings dusty eagle early
        earthworm earthworms easter echo eclipse eighteen email embers empty ending endless enough epoch erase
        escape even evening evenings every exhales faded fading failing fallen falling farewell farmhouse
        farthest father father's ferry fiddler fiddlers fifteen fifty final finches fireplace fishing
        flagstones flickers floating flower flowers folded follow follows footprint footprints footsteps
        forest forget forgets forgive forty fourteen foxes freedom friendship frosted frozen fuji functions
        furrows garbage garden gather gathers gentle gently giant going golden goodbye goodnight graphics
        greening growing guitar gutters hacking haiku hallway hammock harbor harvest headlights heartbeat
        heartbeats heavy hermit heron hidden highest hiking hillside hilltop himself honey hover hovers
        humming hundred hungry hurries hurry hushes icy inbox incense inner input insects inside into iris
        iron island itself journey july kernel kernels kettle kettles keyboard kindness kitchen kitten kittens
        knowledge lamplight language lantern lanterns later laughing laughter laundry lazy leaking learning
        letter letters lighthouse lightning lilac lilies lily linger lingers linux listen listens little
        locker london lonely longer longest loosen loosens lotus lovers machine mailbox many maple margin
        market marriage matrix meadow melon melting metal midday midnight milky minute minutes mirror missing
        misty model models moment monday money monsoon moonlight moonlit morning morning's mossy mother
        mountain mountains muddy murmur mushroom mushrooms music myself nameless napkin narrow nature nearly
        needles neighbor neighbor's neighbors neon nested network networks neural newborn nightly nineteen
        noisy northern nothing nowhere number numbers ocean office only open opens opera orange orchard orchid
        orchids other others outer outlast outlasts outside over pages painting paper parade parents paris
        parrot passes passing patches patience patient pauses pebble pencil pencils perfect petal petals
        pigeon pigeons pilgrims pillow pilot pizza planet planets plastic platform pocket poem poems poet
        pointer pointers polar poppies porter postcard prairie pretend pretends process puddle puddles pumpkin
        pumpkins puppies purple python quiet rafters ragged railing railway railways rainbow raindrops rainy
        ravens reader reading refrain release rename return returns rhubarb ribbon ripen ripens ripple ripples
        rises rising river rivers robin robins robot robots rooftop rooftops roses rowboat rowboats ruffled
        running rusty sadness sailboat sailing salesman scarecrow scarecrows scarlet schoolyard science
        seabirds seagull seagulls seashells second secret secrets segfault server servers settle settles seven
        sewing shadow shadowed shadows shallow shimmer shimmers shining shoreline shortest shower showers
        sidewalk silence silent silver single siren sirens sixteen skylark slanted sleeping sleepless sleepy
        slender slowly snowfall snowflakes snowmelt snowstorm snowy soften softens softly software soldier
        soldiers solstice someone somewhere songbirds sparrow sparrows speckled spider spiders spinning
        spotted springtime squash starlight starlings station steady stillness stories story stranger
        strangers streetlight streetlights stretches stubble student students subway sudden suitcase summer
        summit sunday sunlight sunlit sunrise sunset supper sushi swallow swallows sweeper swollen systems
        table talking tangled taxi taxis teacher teacup teacups teapot teapots temple tensor tensors thawing
        themselves thinking thirteen thirty thousand thunder ticket timer tiny tokens tonight toward towels
        tower towers traffic travel travels trawler trawlers tremble trembles tulip tulips tumble tumbles
        tunnel twenty twilight uncut under unfolds unit unlocked unread unsent until upright upstairs valley
        vanish velvet village vineyards visit visits waiting walking wander wanders washes watchman water
        weary weather wedding weekend whisper whispers whistle whistles wicker willow willows winding window
        windows windshield winter winters wisdom withered without wobbly woman wooden woodpile writing written
        yellow yellows zero zeros
    """,
    3: """
        adventure afternoon algebra alphabet attention awakens bakery banana beginnings bicycle bicycles
        binary boredom breakwater bumblebee bumblebees butterflies butterfly candlelit cicada cicadas
        collection commuters company compiler compilers compiling computer computers computing conductor
        daffodils database debugging december disappear disappears dragonflies dragonfly eleven erases family
        fireflies firefly forgiveness forgotten gardener gardening gasoline gradient grandfather grandmother
        grandparents gratitude halloween happiness history homesickness honeybees horizon hummingbird
        hummingbirds icicles inference infinite internet irises ladybug ladybugs lavender library linear
        loneliness lullaby matrices memories memory migrating million multiplies multiply mystery newspaper
        nobody notebook november october overnight parallel pelican pelicans performance photograph
        photographs piano poetry processes programmer programming promises radio recursion remember remembers
        riverbank sandpipers september seventeen silicon skyscrapers solitude somebody suitcases sunflower
        sunflowers terminal terminals theater thunderstorm thunderstorms tokyo tomato tomatoes tomorrow
        transformer traveler travelers umbrella umbrellas universe vacation vanishes vegetable violets violin
        violins waterfall watering windowsill woodpecker woodpeckers yesterday
    """,
    4: """
        GPUs algorithm algorithms constellations dandelion dandelions eternity february insomnia intelligence
        january mathematics meditation monastery operating philosophy remembering simplicity technology
        variable watermelon
    """,
    5: """
        artificial imagination multiplication supercomputer supercomputers
    """,
    6: """
        cybersecurity
    """,
}

LEXICON = {word: syllables for syllables, words in BY_COUNT.items() for word in words.split()}
