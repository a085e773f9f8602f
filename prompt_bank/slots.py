"""Words that fill the templates, chosen among those the genesis model has read often."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Child:
    """A person of a story and the words that refer to them."""

    name: str
    she: str
    her: str

    @property
    def girl(self) -> str:
        """The noun that goes with the pronoun."""
        return "girl" if self.she == "she" else "boy"

    @property
    def She(self) -> str:  # noqa: N802 - the capital stands for the capital
        """The pronoun at the head of a sentence."""
        return self.she.capitalize()

    @property
    def Her(self) -> str:  # noqa: N802 - as above
        """The possessive at the head of a sentence."""
        return self.her.capitalize()

    def __str__(self) -> str:
        return self.name


GIRLS = ("Lily", "Mia", "Sue", "Lucy", "Amy", "Sara", "Anna", "Jane", "Daisy", "Molly", "Emma")
BOYS = ("Tim", "Timmy", "Tom", "Ben", "Max", "Sam", "Bob", "Jack", "Benny", "Billy", "Joe")

_CHILDREN = (
    *(Child(name, "she", "her") for name in GIRLS),
    *(Child(name, "he", "his") for name in BOYS),
)

SLOTS: dict[str, tuple[Child | str, ...]] = {
    "child": _CHILDREN,
    "friend": ("Spot", "Fluffy", "Kitty", "Bella", "Rex", "Lola", "Leo", "Polly", "Pip", "Bobo"),
    "animal": (
        "bird", "cat", "dog", "bear", "fish", "frog", "bunny", "duck", "mouse", "fox", "pig",
        "turtle", "bee", "goat", "lion", "horse", "cow", "squirrel",
    ),
    "beast": ("bear", "lion", "wolf", "dragon", "fox", "monster", "tiger", "giant"),
    "toy": (
        "ball", "doll", "toy car", "kite", "teddy bear", "train", "boat", "drum", "puzzle",
        "robot", "balloon", "bike",
    ),
    "thing": (
        "box", "rock", "key", "book", "hat", "shell", "leaf", "coin", "bag", "map", "button",
        "flower", "feather", "bell", "stick", "ring",
    ),
    "colour": ("red", "blue", "green", "yellow", "pink", "white", "black", "brown", "purple"),
    "size": ("big", "small", "little", "tiny", "huge", "tall", "long"),
    "kind": (
        "happy", "kind", "brave", "clever", "silly", "shy", "funny", "gentle", "curious", "lazy",
        "hungry", "careful",
    ),
    "look": ("shiny", "pretty", "soft", "heavy", "new", "strange", "special", "broken", "magic"),
    "feeling": ("sad", "scared", "angry", "tired", "excited", "lonely", "proud", "surprised"),
    "place": (
        "park", "garden", "forest", "beach", "store", "zoo", "farm", "lake", "river", "school",
        "library", "playground", "field", "hill",
    ),
    "spot": (
        "under the bed", "behind a tree", "in the grass", "near the pond", "on the hill",
        "by the river", "under a bush", "in the sand", "on the roof", "inside the box",
    ),
    "room": ("kitchen", "bedroom", "living room", "bathroom", "attic", "yard"),
    "food": (
        "cake", "cookie", "banana", "sandwich", "pie", "carrot", "pizza", "pancake", "muffin", "pear",
    ),
    "drink": ("milk", "water", "juice", "soup", "paint", "honey", "tea", "sand"),
    "foods": ("cookies", "apples", "berries", "carrots", "grapes", "bananas", "nuts", "candies"),
    "play": (
        "play outside", "run and jump", "sing songs", "draw pictures", "climb trees", "read books",
        "ride a bike", "swim", "dance", "build towers", "fly kites", "pick flowers", "bake cakes",
        "look at the stars", "help people", "play with toys",
    ),
    "playing": (
        "playing", "running", "singing", "dancing", "walking", "drawing", "swimming", "reading",
        "jumping", "digging",
    ),
    "weather": ("sunny", "rainy", "windy", "cold", "hot", "snowy", "cloudy", "warm"),
    "elder": ("mom", "dad", "mommy", "daddy", "grandma", "grandpa", "teacher", "brother", "sister"),
    "parent": ("mom", "dad", "mommy", "grandma", "grandpa"),
    "time": ("One day", "One morning", "One night", "The next day", "After lunch", "That evening"),
    "sound": ("a loud noise", "a soft voice", "a funny sound", "a song", "a bark", "a big bang"),
    "lesson": ("share", "be kind", "be brave", "listen", "wait", "help others", "tell the truth"),
    "virtue": ("sharing", "helping", "being brave", "being kind", "trying again", "telling the truth"),
    "chore": (
        "clean the room", "wash the dishes", "feed the dog", "water the plants", "make a cake",
        "find the key", "pick up the toys", "fix the toy",
    ),
    "work": ("doctor", "farmer", "baker", "pilot", "teacher", "painter", "fireman", "singer"),
    "number": ("two", "three", "four", "five", "six", "seven", "ten"),
    "job": (
        "jump over the log", "climb the tree", "reach the shelf", "open the box",
        "cross the river", "catch the ball", "ride the bike", "lift the rock",
    ),
}
"""Name of a slot -> what may fill it."""
