"""Topics the model is taught: by area, as things that act in a scene (`s`, `p`, scene number) or in general."""

from collections import namedtuple

from grammar import expand

# text: as the prompt names it; role: s, p or m (no scene subject); known: its spelling is learnt by heart.
Topic = namedtuple("Topic", "text area role scene known")

TABLE = {
    "autumn": {"p0": "autumn leaves|falling leaves|maple leaves|the fallen leaves|red leaves", "s0": "the maple tree|an autumn leaf|the old oak tree",
        "p1": "wild geese|crows|migrating birds|crickets", "s1": "a crow|the last cricket", "s2": "the harvest moon|a scarecrow|a pumpkin|the apple orchard", "p2": "pumpkins|apples",
        "m": "autumn|fall|October|November|September|the harvest|autumn wind|autumn rain|the end of summer|Halloween|an autumn evening|the color red"},
    "winter": {"s0": "snow|the first snow|fresh snow|falling snow|a snowstorm|a blizzard", "p0": "snowflakes", "s1": "a fox|the winter fox|a wolf|a polar bear|an arctic hare", "p1": "wolves|winter birds",
        "s2": "a warm fire|the fireplace|a candle|the wood stove", "p2": "icicles|candles", "m": "winter|December|January|February|ice|frost|the cold|a winter night|a frozen lake|Christmas|the new year|winter silence|the winter solstice"},
    "spring": {"p0": "cherry blossoms|plum blossoms|spring flowers|tulips|willows|petals", "s0": "a cherry tree|the willow tree|a blossom|a tulip", "s1": "a frog|a butterfly|a robin|a swallow", "p1": "frogs|butterflies|lambs|songbirds|honeybees|robins",
        "s2": "melting snow|the spring river|a mountain stream|a spring rain", "p2": "rivers", "m": "spring|April|March|May|Easter|new beginnings|springtime|spring wind|the color green|the first day of spring|hope|growth"},
    "summer": {"p0": "fireflies|cicadas|dragonflies|summer insects|moths", "s0": "a firefly|a dragonfly|a moth", "p1": "sunflowers|bicycles", "s1": "a hammock|the summer lake|a lazy dog", "p2": "storm clouds|thunderstorms|clouds", "s2": "summer thunder|a thunderstorm|a summer storm|lightning",
        "m": "summer|July|June|August|summer heat|the sun|a summer evening|ice cream|watermelon|the beach|a heat wave|vacation|a summer afternoon|the color yellow"},
    "sea": {"s0": "a small boat|the old ferry|a sailboat|a fishing boat|a ship", "p0": "boats|ships|sailing ships", "s1": "a seagull|the sea wind|a crab", "p1": "seagulls|crabs|seabirds", "s2": "the sea|the ocean|the tide|a wave", "p2": "waves|ocean waves|the tides",
        "m": "a quiet harbor|a lighthouse|the harbor|the shore|fishing|whales|dolphins|seashells|an island|fog|the color blue|sand|coral|the deep sea|a beach at night"},
    "mountain": {"s0": "a hawk|mountain mist|a white cloud|an eagle", "p0": "drifting clouds|ravens", "s1": "a pine tree|the forest|the old cedar|moss|the deep woods", "p1": "pine trees|ferns|mushrooms|stones|ancient trees", "s2": "a deer|a mountain path|a waterfall", "p2": "deer|pilgrims",
        "m": "mountains|a mountain|the mountains|hiking|a forest path|silence|a temple|the valley|a river|nature|the wind|solitude|meditation|Mount Fuji|bamboo|a monastery|patience|a lake|a canyon|the desert|peace"},
    "night": {"s0": "the moon|the full moon|a star|a crescent moon|the evening star", "p0": "stars|the stars|distant stars", "s1": "an owl|a bat|the night wind|a black cat", "p1": "owls|bats",
        "m": "night|midnight|darkness|dreams|sleep|insomnia|the night sky|moonlight|starlight|the Milky Way|space|the universe|a comet|an eclipse|dawn|sunrise|sunset|twilight|the planet Mars|loneliness|eternity|a lantern|the moon and stars"},
    "rain": {"s0": "rain|the rain|summer rain|night rain|a light rain|spring rain", "p0": "raindrops", "s1": "a snail|a toad|a wet cat|a sparrow", "p1": "snails|sparrows|pigeons",
        "m": "a storm|thunder|a rainbow|an umbrella|puddles|a rainy day|the weather|water|wind and rain|the monsoon|a flood|a gray sky|sadness|umbrellas|mist"},
    "city": {"s0": "a taxi|the night bus|a stranger|the last bus", "p0": "strangers|taxis|city buses|headlights", "s1": "a pigeon|a street lamp|a stray cat", "p1": "neon signs|city pigeons|street lamps",
        "m": "the city|city lights|a city street|traffic|Tokyo|New York|Paris|London|the subway|a cafe|coffee shops|skyscrapers|a market|rush hour|a city at night|the crowd|a bridge|work|Monday|money|an office|a bakery|a rooftop|neon"},
    "journey": {"s0": "a train|the night train|a steam train|the last train|the slow train", "p0": "trains|night trains", "s1": "a suitcase|a traveler|an old suitcase", "p1": "travelers|soldiers",
        "m": "travel|a journey|the road|a train station|railways|the railway|a long road|an airport|airplanes|a road trip|going home|distance|adventure|a map|farewell|homesickness|freedom|walking|the open road|running|the border"},
    "computing": {"s0": "a computer|the cursor|an old server|a robot|the terminal", "p0": "computers|servers|robots", "s1": "a bug|the compiler|a software bug|an infinite loop", "p1": "software bugs|unit tests|compilers|loops",
        "m": "programming|code|coding|software|the internet|computing|Rust|the Rust language|Python|Linux|open source|debugging|an algorithm|algorithms|data|a keyboard|technology|the cloud|a database|recursion|binary|a programmer|compiling|garbage collection|memory|a segfault|computer science|operating systems|the command line|a memory leak|hacking|cybersecurity|an empty inbox|email"},
    "gpu": {"s0": "the machine|a kernel|a graphics card|silicon|the matrix|a supercomputer", "p0": "tensors|GPU threads|GPU cores|parallel threads|CUDA kernels|matrices", "s1": "a cooling fan|the fan", "p1": "cooling fans",
        "m": "GPU computing|a GPU|GPUs|CUDA|CUDA programming|parallel computing|machine learning|deep learning|neural networks|a neural network|artificial intelligence|AI|language models|a language model|matrix multiplication|tensor cores|VRAM|graphics cards|GPU memory|supercomputers|high performance computing|floating point numbers|inference|the transformer|attention|large language models|linear algebra|gradient descent|tokens|a data center"},
    "home": {"s0": "tea|green tea|a cup of tea|coffee|the kettle|soup|fresh bread|a teapot", "p0": "teacups|teapots", "s1": "a cat|my cat|the sleeping cat|a dog|my grandfather|an old dog|a kitten", "p1": "cats|dogs|kittens|puppies|children",
        "m": "home|breakfast|a morning|morning coffee|cooking|rice|Sunday|a kitchen|a clock|time|laundry|pizza|chocolate|family|a lazy morning|comfort|an old house|dinner|sushi|cheese|bread and butter|the weekend|boredom|a mirror|winter soup"},
    "garden": {"s0": "a rose|a sunflower|the lilac|an iris|a flower|a daisy|an orchid", "p0": "roses|flowers|daisies|poppies|wild flowers|orchids|lilies", "s1": "a bee|a hummingbird|a ladybug|the gardener|an ant|a spider", "p1": "bees|ants|beetles|hummingbirds|spiders|birds",
        "m": "a garden|gardening|the garden|seeds|a zen garden|herbs|bonsai|honey|a vegetable garden|tomatoes|dew|lavender|a stone garden|life|a tree|trees|grass|beauty|simplicity"},
    "people": {"s0": "my mother|an old friend|a child|my father|grandmother|a baby|my teacher", "p0": "children at play|old friends|lovers|neighbors|my parents|friends", "s1": "a letter|an old photograph|a love letter|a wedding ring", "p1": "letters|memories|love letters|old photographs",
        "m": "love|friendship|a birthday|memory|childhood|growing old|a wedding|happiness|joy|gratitude|kindness|a goodbye|first love|my best friend|a broken heart|forgiveness|missing you|marriage|trust|courage|grief|death|a smile|dancing|laughter|war|youth"},
    "books": {"s0": "a book|an old book|a poem|a blank page|the library|a pencil", "p0": "books|poems|stories|old books|words", "s1": "a violin|a flute|a song|the piano|a guitar|a cello", "p1": "violins|drums|songs|temple bells",
        "m": "music|reading|poetry|haiku|writing|school|a library|jazz|a lullaby|painting|art|learning|a teacher|knowledge|philosophy|history|mathematics|science|chess|a story|the alphabet|ink|theater|opera|imagination|wisdom|Basho|writing haiku"},
}


def all_topics():
    topics = []
    for area, roles in TABLE.items():
        for role, texts in roles.items():
            scene = int(role[1]) if len(role) > 1 else 0
            topics += [Topic(text, area, role[0], scene, True) for text in texts.split("|")]
    return topics


def unknown(text, area):
    """A topic outside the table, written over an area's images."""
    return Topic(text, area, "m", 0, False)
