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
QUANTITIES = NUMBER_WORDS | _words(
    "more less fewer exactly only at as enough two the many both several all few just over under about "
    "multiple"
)
"""What may follow "there is" and cannot be denied with "no"."""

PREPOSITIONS = _words(
    "in on at under below above behind beside near inside outside over between among across along against "
    "around by beneath beyond through within with without from to toward towards underneath atop off up "
    "down into onto of for like than per during before after since until"
)
PLACE_STARTERS = (
    PREPOSITIONS - _words("of for like than with without from per by during before after since until")
) | _words("next close far facing")
"""What a predicate of place may begin with; "of" and "with" mostly belong to the noun before them."""

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
    "old new empty full open closed shut clean dirty wet dry hot cold warm cool happy sad angry calm "
    "tired awake asleep alive dead visible present absent alone busy ready real fake round square flat "
    "straight curved parallel perpendicular vertical horizontal diagonal symmetrical equal identical "
    "similar different male female human wooden metallic plastic shiny smooth rough sharp blurry soft "
    "hard cloudy sunny rainy snowy windy foggy stormy clear overcast damaged broken ripe rotten fresh raw "
    "safe dangerous correct true false left right upright sideways upside large-sized striped spotted "
    "plain transparent opaque oval circular rectangular triangular hexagonal octagonal fast slow deep "
    "shallow steep crowded bald bare loose tight messy tidy available possible modern ancient urban rural "
    "indoor outdoor edible healthy hungry"
)
NOUNS_TOO = _words("light human square oval plain orange gold silver plastic tan male female")
"""Adjectives that are nouns as well: they end a noun phrase more often than they begin a predicate."""

ADJECTIVE_ENDINGS = ("ful", "ous", "less", "able", "ible", "ish", "ular")

MASS_NOUNS = _words(
    "water grass sand snow ice food wood metal glass plastic paper rice bread cheese meat milk coffee tea "
    "juice furniture luggage clothing hair fur smoke fire fog rain dirt mud dust gravel concrete brick "
    "stone leather cotton fabric wool rubber steel tennis baseball basketball football soccer golf hockey "
    "rugby cricket volleyball badminton skiing nothing traffic equipment fruit jewelry land air sunlight "
    "daylight everything something someone nobody breakfast lunch dinner text"
)
ATTRIBUTE_NOUNS = _words(
    "color colour holiday material sport season weather language brand number letter word time day date "
    "month year country city town direction size texture pattern emotion mood expression activity action "
    "game name style genre temperature age height length width distance amount count position location "
    "condition state gender title type kind orientation speed weight price cost status topic category "
    "text answer length meal cause total result purpose background relationship"
)
"""Nouns for a property: its value takes no article ("the sport is tennis")."""

NAMED_NOUNS = _words(
    "person player team company landmark character building river restaurant store shop planet artist "
    "author singer band actor president continent ocean sea lake mountain island museum university school "
    "airline street station airport painting movie book song app website"
)
"""Nouns for what has a name of its own: a capital in the answer stays."""

SHAPE_ADJECTIVES = _words(
    "round square rectangular circular triangular oval hexagonal octagonal spherical cylindrical"
)
MEASURE_ADJECTIVES = _words("tall long wide high deep old thick heavy big large far short")

NOUNS_IN_ING = _words(
    "building ceiling painting ring king string wing clothing evening morning thing something nothing "
    "anything everything railing awning parking crossing swing spring drawing ping living dining sing "
    "bring sling lightning wedding pudding sibling duckling herring earring icing topping filling "
    "flooring wiring bedding stocking"
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
    "differ get come go do make take spin tilt roll rest fly open close increase decrease"
)

PLURALS = {
    "people": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
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
SINGULAR_IN_S = _words(
    "bus gas lens tennis glass grass dress class boss moss cross chess canvas cactus octopus news"
)

VOWEL_SOUNDS = ("hour", "honest", "heir", "8", "11", "18")
CONSONANT_SOUNDS = ("uni", "use", "usa", "usu", "util", "eu", "one", "once", "ukulele")
