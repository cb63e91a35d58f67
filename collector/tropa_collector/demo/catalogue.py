"""What the shop sells."""

from __future__ import annotations

from dataclasses import dataclass

CURRENCY = "RUB"


@dataclass(frozen=True, slots=True)
class Category:
    slug: str
    name: str
    line: str


@dataclass(frozen=True, slots=True)
class Product:
    """``picture`` names a drawing of templates/pictures.html, ``tint`` its colours in shop.css."""

    sku: str
    slug: str
    name: str
    category: str  # the slug of one
    price: int
    unit: str
    line: str
    text: str
    picture: str
    tint: str

    @property
    def path(self) -> str:
        return f"/products/{self.slug}"


CATEGORIES = (
    Category("tea", "Tea", "Small harvests, packed in the week they are fired."),
    Category("teaware", "Teaware", "Clay, celadon and bamboo, made to be used daily."),
    Category("gifts", "Gifts", "For somebody who says they have everything."),
)

PRODUCTS = (
    Product(
        "T-101",
        "moonlit-oolong",
        "Moonlit Oolong",
        "tea",
        890,
        "100 g tin",
        "Lilac, warm milk, a long cool finish",
        "A lightly rolled Tieguanyin from the Anxi hills, rested for a month before its second firing. "
        "It forgives boiling water and gives seven infusions.",
        "tin",
        "jade",
    ),
    Product(
        "T-102",
        "river-green",
        "River Green",
        "tea",
        760,
        "100 g tin",
        "Chestnut, young peas, spring water",
        "Longjing picked before the April rain and pressed by hand in a hot wok. Brew it at 80°, in glass, "
        "and watch the leaves stand up.",
        "tin",
        "moss",
    ),
    Product(
        "T-103",
        "pine-smoke",
        "Pine Smoke",
        "tea",
        820,
        "100 g tin",
        "Camp fire, dried plum, dark honey",
        "Lapsang from Tongmu, dried over pine wood the old way. One spoon of it turns a rainy evening into an occasion.",
        "tin",
        "ember",
    ),
    Product(
        "T-104",
        "white-peony",
        "White Peony",
        "tea",
        980,
        "50 g tin",
        "Hay, peach skin, morning air",
        "Bai Mudan: one bud, two leaves, withered in the shade and left alone. The gentlest tea we keep.",
        "tin",
        "linen",
    ),
    Product(
        "T-105",
        "old-tree-puer",
        "Old Tree Pu-erh",
        "tea",
        2400,
        "357 g cake",
        "Wet stone, cocoa, forest floor",
        "Leaves of trees older than most cities, pressed in 2014. It keeps for decades, though it rarely gets the chance.",
        "cake",
        "umber",
    ),
    Product(
        "T-106",
        "ivan-chai",
        "Ivan Chai",
        "tea",
        540,
        "80 g pouch",
        "Fireweed, cherry stone, meadow",
        "Fermented fireweed from the Vologda meadows, without caffeine: a whole pot at midnight harms nobody.",
        "pouch",
        "heather",
    ),
    Product(
        "W-201",
        "clay-teapot",
        "Clay Teapot",
        "teaware",
        4900,
        "200 ml",
        "Unglazed, it remembers its tea",
        "Turned from one lump of purple clay. Give it one kind of tea only, and in a year water alone will taste of it.",
        "teapot",
        "terracotta",
    ),
    Product(
        "W-202",
        "celadon-cup",
        "Celadon Cup",
        "teaware",
        1200,
        "90 ml",
        "A glaze like river ice",
        "Thick at the foot and thin at the lip. The glaze crackles with the years; each cup draws a map of its own.",
        "cup",
        "celadon",
    ),
    Product(
        "W-203",
        "porcelain-gaiwan",
        "Porcelain Gaiwan",
        "teaware",
        2100,
        "120 ml",
        "Lid, bowl, saucer, nothing else",
        "The most honest vessel there is: it adds no taste, and hides no mistake.",
        "gaiwan",
        "porcelain",
    ),
    Product(
        "W-204",
        "bamboo-whisk",
        "Bamboo Whisk",
        "teaware",
        1350,
        "100 tines",
        "Foam in twenty seconds",
        "Split from a single culm with a small knife and a great deal of patience. Rinse it, never scrub it.",
        "whisk",
        "straw",
    ),
    Product(
        "G-301",
        "first-steps",
        "First Steps",
        "gifts",
        3200,
        "box of six",
        "Six teas and a map of them",
        "Six small tins, from white to dark, with a card that says what to listen for. The box is kept long after the tea.",
        "box",
        "ink",
    ),
    Product(
        "G-302",
        "gift-card",
        "Gift Card",
        "gifts",
        2000,
        "by email",
        "For whoever prefers to choose",
        "Arrives on the day you name, with your words on it, and never expires.",
        "card",
        "gold",
    ),
)

_CATEGORIES = {category.slug: category for category in CATEGORIES}
_PRODUCTS = {product.slug: product for product in PRODUCTS}


def category(slug: str) -> Category | None:
    return _CATEGORIES.get(slug)


def product(slug: str) -> Product | None:
    return _PRODUCTS.get(slug)


def products_of(category: Category) -> tuple[Product, ...]:
    return tuple(product for product in PRODUCTS if product.category == category.slug)
