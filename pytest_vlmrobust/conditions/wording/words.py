"""Word lists: closed classes in full, open ones as far as questions about images need them."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PRONOUNS = _words("it he she they we you i there someone something anyone anything everyone everything")
DEMONSTRATIVES = _words("this that these those")
ARTICLES = _words("a an the")
NUMBER_WORDS = _words("one two three four five six seven eight nine ten eleven twelve")
DETERMINERS = (
    ARTICLES
    | DEMONSTRATIVES
    | NUMBER_WORDS
    | _words(
        "his her its their our your my some any no each every another both all many several few more fewer "
        "zero"
    )
)
POSSESSIVES = _words("my your his her its our their")
QUANTIFIERS = _words("nothing nobody everything everyone everybody none neither both all most some each no")
"""What a sentence may begin with besides a determiner or a pronoun."""
QUANTITIES = NUMBER_WORDS | _words(
    "more less fewer exactly only at as enough two the many both several all few just over under about "
    "multiple"
)
"""What may follow "there is" and cannot be denied with "no"."""

PREPOSITIONS = _words(
    "in on at under below above behind beside near inside outside over between among across along against "
    "around by beneath beyond through within with without from to toward towards underneath atop off up "
    "down into onto of for like than per during before after since until besides except despite"
)
PLACE_STARTERS = (
    PREPOSITIONS
    - _words(
        "of for like than with without from per by during before after since until besides except despite"
    )
) | _words("next close far facing")
"""What a predicate of place may begin with; "of" and "with" mostly belong to the noun before them."""

CLAUSE_WORDS = _words("how what when where whether which who whose why that if because")
"""What opens a clause that stands as an option: "how fast the ball rolls"."""

PLACE_ADVERBS = _words("here there indoors outdoors upstairs downstairs")
ADVERBS = _words(
    "very quite too really fully completely partly partially mostly slightly currently still also already "
    "clearly directly actually almost nearly visibly always equally immediately"
)
COLORS = _words(
    "red green blue yellow purple black white gray grey orange pink brown teal cyan magenta violet gold "
    "golden silver beige maroon navy turquoise tan multicolored"
)
ADJECTIVES = COLORS | _words(
    "big small great large tall short long wide narrow thick thin high low heavy light dark bright young "
    "old new empty full open closed shut clean dirty wet dry hot cold warm cool happy sad angry tense "
    "funny romantic serious gloomy exciting boring scary calm tired awake asleep alive dead visible "
    "present absent alone busy ready real fake round square flat straight curved parallel perpendicular "
    "vertical horizontal diagonal symmetrical equal identical similar different male female human wooden "
    "metallic plastic shiny smooth rough sharp blurry soft hard cloudy sunny rainy snowy windy foggy "
    "stormy clear overcast damaged broken ripe rotten fresh raw safe dangerous correct true false left "
    "right upright sideways upside large-sized striped spotted plain transparent opaque oval circular "
    "rectangular triangular hexagonal octagonal fast slow deep shallow steep crowded bald bare loose tight "
    "messy tidy available possible modern ancient urban rural indoor outdoor edible healthy hungry salty "
    "sticky sweet sour bitter fragile flexible stretchy scratchy fuzzy bumpy slippery bouncy translucent "
    "odd even dotted checked congruent supplementary complementary adjacent isosceles equilateral"
)
NOUNS_TOO = _words("light human square oval plain orange gold silver plastic tan male female")
"""Adjectives that are nouns as well: they end a noun phrase more often than they begin a predicate."""

ADJECTIVE_ENDINGS = ("ful", "ous", "less", "able", "ible", "ish", "ular")

MASS_NOUNS = _words(
    "temperature rainfall population pressure income profit revenue growth humidity water grass sand snow "
    "ice food wood metal glass plastic paper rice bread cheese meat milk coffee tea juice furniture "
    "luggage clothing hair fur smoke fire fog rain dirt mud dust gravel concrete brick stone leather "
    "cotton fabric wool rubber steel tennis baseball basketball football soccer golf hockey rugby cricket "
    "volleyball badminton skiing nothing traffic equipment fruit jewelry land air sunlight daylight "
    "everything something someone nobody breakfast lunch dinner text beer wine soup soda lemonade "
    "champagne whiskey sugar salt pepper butter honey pasta cereal sunshine lightning"
)
ATTRIBUTE_NOUNS = _words(
    "color colour holiday material sport season weather language brand number letter word time day date "
    "month year country city town direction size texture pattern emotion mood expression activity action "
    "game name style genre temperature age height length width distance amount count position location "
    "condition state gender title type kind orientation speed weight price cost status topic category text "
    "answer meal cause total result purpose background relationship measure area perimeter radius diameter "
    "circumference volume angle ratio value mean average sum difference slope intention feature function "
    "property era period limit relation"
)
"""Nouns for a property: its value takes no article ("the sport is tennis")."""

NAMED_NOUNS = _words(
    "person player team company landmark character building river restaurant store shop planet artist "
    "author singer band actor president continent ocean sea lake mountain island museum university school "
    "airline street station airport painting movie book song app website capital state colony region "
    "county village bank hotel bridge sculpture logo"
)
"""Nouns for what has a name of its own: a capital in the answer stays."""

PICTURES = _words(
    "image picture photo photograph painting map diagram chart drawing sketch scan plot graph poster"
)
SHAPE_ADJECTIVES = _words(
    "round square rectangular circular triangular oval hexagonal octagonal spherical cylindrical"
)
MEASURE_ADJECTIVES = _words("tall long wide high deep old thick heavy big large far short")

NOUNS_IN_ING = _words(
    "building ceiling painting ring king string wing clothing evening morning thing something nothing "
    "anything everything railing awning parking crossing swing spring drawing ping living dining sing "
    "bring sling lightning wedding pudding sibling duckling herring earring icing topping filling flooring "
    "wiring bedding stocking"
)
WORDS_IN_ED = _words("red bed shed sled seed weed need feed speed breed reed embed hundred sacred")
IRREGULAR_PARTICIPLES = _words(
    "made seen shown taken worn held built drawn hidden lit hung written thrown given eaten driven ridden "
    "tied put set bent split shut torn"
)
CLOTHES = _words(
    "shirt hat dress jacket coat shorts pants glasses uniform suit cap helmet jersey skirt sweater vest"
)

VERBS = _words(
    "contain show have depict include display feature look appear seem wear hold face touch cover block "
    "point stand sit lie ride eat drink play use read say belong match need want like see know move turn "
    "rotate walk run carry support occur exist represent share lead overlap intersect hang fit cross "
    "follow cast extend connect resemble portray illustrate pass exceed occupy surround consist lean "
    "differ get come go do make take spin tilt roll rest fly open close increase decrease be pay border "
    "rise fall sell buy throw catch grow drop bend convey express replace complete describe suggest "
    "indicate mean tell help cause lack win lose start end begin stop finish remain stay become keep leave "
    "enter reach put set cut cook clean wash hit kick jump wave smile sleep talk speak sing dance swim "
    "climb pull push drive park lift break shine burn float sink melt freeze attract repel apply "
    "correspond localize enclose produce provide require involve allow prevent reduce weigh cost last "
    "matter choose write draw bring find slow brake wait honk proceed continue signal steer accelerate "
    "reverse maintain avoid equal build create invent discover design visit watch refer relate react "
    "respond receive give gain send link join meet merge yield approach absorb trade"
)

IRREGULAR_PASTS = _words(
    "be:was become:became begin:began bend:bent break:broke bring:brought build:built buy:bought "
    "cast:cast catch:caught choose:chose come:came cost:cost cut:cut do:did draw:drew drink:drank "
    "drive:drove eat:ate fall:fell find:found fit:fit fly:flew freeze:froze get:got give:gave go:went "
    "grow:grew hang:hung have:had hit:hit hold:held keep:kept know:knew lead:led leave:left lie:lay "
    "lose:lost make:made mean:meant meet:met pay:paid put:put read:read ride:rode rise:rose run:ran "
    "say:said see:saw sell:sold send:sent set:set shine:shone sing:sang sink:sank sit:sat sleep:slept "
    "speak:spoke spin:spun stand:stood swim:swam take:took tell:told throw:threw wear:wore win:won "
    "write:wrote"
)
"""Verbs with their past forms, where those are irregular."""

VERBS_ALONE = _words("rise fall grow increase decrease intersect overlap exist differ vary")
"""Verbs that can end a sentence of two words."""

PLURALS = {
    "people": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "persons": "person",
    "mice": "mouse",
    "feet": "foot",
    "teeth": "tooth",
    "geese": "goose",
    "leaves": "leaf",
    "knives": "knife",
    "shelves": "shelf",
    "wolves": "wolf",
    "loaves": "loaf",
    "halves": "half",
    "scarves": "scarf",
    "sheep": "sheep",
    "fish": "fish",
    "deer": "deer",
    "buses": "bus",
    "lenses": "lens",
    "gases": "gas",
    "shoes": "shoe",
    "toes": "toe",
    "canoes": "canoe",
    "cookies": "cookie",
    "ties": "tie",
    "movies": "movie",
    "pies": "pie",
    "zombies": "zombie",
    "axes": "axe",
    "caches": "cache",
    "headaches": "headache",
}
"""Plurals that the rules for endings miss; some are singular as well."""

ALWAYS_PLURAL = _words(
    "pants shorts jeans glasses sunglasses scissors trousers people men women children clothes goggles"
)
IN_PAIRS = _words(
    "pants shorts jeans sunglasses scissors trousers goggles pliers binoculars headphones tongs"
)
"""What is counted by the pair."""
SINGULAR_IN_S = _words(
    "bus gas lens tennis glass grass dress class boss moss cross chess canvas cactus octopus news"
)

COMMON_NOUNS = _words(
    "animal bird cat dog horse cow sheep goat pig duck hen goose lion tiger bear wolf fox deer rabbit "
    "mouse rat squirrel monkey elephant giraffe zebra panda camel snake frog turtle fish shark whale "
    "dolphin bee spider butterfly owl eagle crow pigeon swan penguin puppy kitten insect car truck bus van "
    "taxi bicycle bike motorcycle scooter train tram tractor boat ship airplane plane helicopter vehicle "
    "wheel chair table desk sofa couch bed shelf lamp mirror clock door window wall floor roof stairs "
    "carpet rug curtain pillow cushion cup mug plate bowl spoon fork knife bottle jar vase box basket bag "
    "backpack suitcase book notebook pen pencil phone laptop computer keyboard monitor television camera "
    "ball kite umbrella hat cap shirt dress jacket coat shoe sock glove scarf belt tree flower grass plant "
    "leaf bush rock stone mountain hill river lake beach forest field road street sidewalk bridge building "
    "house tower fence gate bench sign person man woman boy girl child baby people teacher student doctor "
    "nurse chef cook baker farmer fisherman pilot firefighter policeman driver rider cyclist pedestrian "
    "player worker soldier artist musician dancer apple banana orange pear grape lemon tomato potato "
    "carrot onion cake pizza sandwich bread egg cheese circle square triangle rectangle star heart cube "
    "cone sphere cylinder ring line arrow guitar piano violin drum flute trumpet tennis soccer baseball "
    "basketball sky cloud sun moon snow rain happiness sadness anger fear surprise joy boredom disgust "
    "summer winter spring autumn morning evening night noon kitchen bathroom bedroom office classroom "
    "library hospital airport station market restaurant reading writing walking running sitting standing "
    "sleeping eating drinking talking playing towards toward straight forward backward backwards upwards "
    "downwards clockwise stop"
)
"""Nouns, and a few other words, whose capital at the beginning of an option shows no name."""

POSITIONS = _words(
    "left right middle center central upper lower top bottom front back rear first second third fourth "
    "last inner outer leftmost rightmost innermost outermost near far nearest farthest"
)
"""What may stand before a noun like an adjective: "the middle lane"."""

VOWEL_SOUNDS = ("hour", "honest", "heir", "8", "11", "18")
CONSONANT_SOUNDS = ("uni", "use", "usa", "usu", "util", "eu", "one", "once", "ukulele")
