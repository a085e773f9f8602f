"""The templates of the prompt bank: openings of stories for the genesis model to continue.

Braces name a slot of ``slots.py``; ``{child.she}`` is a field of what fills ``{child}``, and a name
with a digit (``{animal2}``) is a second draw from the same slot. Double square brackets mark the
part of a user text whose tokens a miner's seed replaces (``mask_range``).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Template:
    """One pattern. The two texts become two lines of the rendered prompt."""

    user: str
    system: str = ""
    """Text before the user's; most templates have none."""


TEMPLATES: tuple[Template, ...] = (
    # Beginnings.
    Template("Once upon a time, there was a {size} {animal} named {friend}. {friend} loved to"),
    Template("Once upon a time, there was a {kind} {child.girl} named {child}. {child.She} liked to {play}."),
    Template("Once upon a time, in a {size} {place}, there lived a {kind} {animal}."),
    Template("Once upon a time, a {animal} and a {animal2} were best friends. They liked to {play}."),
    Template("There was once a {colour} {animal} who wanted to {play}."),
    Template("Long ago, a {kind} {work} lived near the {place} with a {colour} {animal}."),
    Template("{child} was a {kind} {child.girl} who lived by the {place}. {time},"),
    Template("{friend} was a {size} {colour} {animal}. {friend} had {number} {animal2} friends."),
    Template("In a {colour} house near the {place}, there lived a {child.girl} named {child}."),
    Template("Every day, {child} and {child.her} {elder} went to the {place} to {play}."),
    # Finding and losing.
    Template("{time}, {child} found a {look} {thing} {spot}. {child.She} picked it up and"),
    Template("{child} lost {child.her} {colour} {toy}. {child.She} looked {spot}, but"),
    Template("{time}, a {animal} saw a {colour} {thing} {spot}. It wanted to"),
    Template("The {size} {animal} could not find its {food}. It asked the {animal2},"),
    Template("{child} opened the {look} box and saw a {colour} {toy} inside."),
    Template("Deep in the forest, {child} and {friend} found a {look} {thing}."),
    Template("{child} dug a hole {spot} and found a {look} {thing}. \"Wow!\" {child.she} said."),
    Template("\"Where is my {colour} {toy}?\" asked {child}. {child.She} looked in the {room}."),
    Template("The {thing} was gone! {child} looked in the {room} and {spot}."),
    # Outings.
    Template("{child} went to the {place} with {child.her} {elder}. They saw a {size} {animal}."),
    Template("It was a {weather} day. {child} and {child.her} {elder} went to the {place}."),
    Template("{time}, {child} walked to the {place} alone. {child.She} heard {sound}."),
    Template("On a {weather} day, the {animal} and the {animal2} went for a walk to the {place}."),
    Template("{child}'s {elder} said, \"Let's go to the {place} today!\" {child} was"),
    Template("At the {place}, {child} met a {kind} {animal}. The {animal} said,"),
    Template("They took a {colour} boat to the {place}. On the way, {child} saw a {animal}."),
    Template("{child} put on a {colour} hat because it was {weather}. Then {child.she}"),
    # Speech.
    Template("\"Can I play with your {toy}?\" asked {child}. {child2} said no and"),
    Template("\"Please help me,\" said the {size} {animal}. \"I can't {job}.\""),
    Template("\"Don't be {feeling},\" said {child}'s {parent}. {child} smiled and"),
    Template("{child} asked {child.her} {parent}, \"Can we get a {animal}?\" {child.Her} {parent} said,"),
    Template("\"Look, a {colour} {animal}!\" said {child}. The {animal} was {playing}"),
    Template("\"What is that?\" asked the {animal}. \"It is a {look} {thing},\" said {child}."),
    Template("\"I want to be a {work},\" said {child}. {child.Her} {elder} laughed and said,"),
    Template("\"You must {lesson},\" said the {kind} {animal}. {child} nodded and"),
    Template("The {animal} said, \"I am {feeling} because I have no {foods}.\""),
    # Wishes and plans.
    Template("{child} wanted to {chore}, but {child.she} did not know how."),
    Template("{child} wanted a {colour} {toy} very much. {child.She} asked {child.her} {elder}"),
    Template("The {kind} {animal} had a big idea. It would {play} with the {animal2}"),
    Template("{child} had a dream about a {colour} {beast} who could {play}."),
    Template("It was {child}'s birthday. {child.She} got a {colour} {toy} and a {food}."),
    Template("{child} made a wish on a star. {child.She} wished for a {look} {toy}."),
    Template("{child} and {child2} wanted to build a {size} house {spot}."),
    # Trouble.
    Template("A {size} {beast} came to the {place}. All the animals were {feeling}."),
    Template("{child} fell down at the {place} and hurt {child.her} knee. {child.Her} {elder}"),
    Template("The {toy} broke, and {child} felt {feeling}. Then {child.her} {elder} came and"),
    Template("{child} was {feeling} because the {animal} took {child.her} {food}."),
    Template("{time}, it started to rain. The {animal} hid {spot} and waited."),
    Template("The {animal} was stuck {spot}. {child} tried to help, but"),
    Template("{child} and {child2} both wanted the {colour} {toy}. They started to"),
    Template("{child} heard {sound} from the {room}. {child.She} felt {feeling} and"),
    Template("The wind blew {child}'s {colour} {thing} away. It landed {spot}."),
    Template("{child} spilled {drink} in the {room}. {child.Her} {parent} was not angry and"),
    # Food and home.
    Template("{child} and {child.her} {elder} made {foods} in the kitchen. They smelled"),
    Template("The {kind} {animal} ate {number} {foods} and felt very full."),
    Template("{child} gave the {animal} some {foods}. The {animal} was {feeling} and"),
    Template("{child} helped {child.her} {elder} {chore}. After that, they"),
    Template("Before bed, {child} told {child.her} {parent} about the {colour} {animal}."),
    Template("{child} sat in the {room} with a {colour} {thing} and thought about"),
    Template("For lunch, {child} had a {food} with {number} {foods}. {child2} wanted some too."),
    # Learning and endings.
    Template("{child} learned to {lesson}. From that day on, {child.she}"),
    Template("In the end, the {beast} and the {animal} became friends. They"),
    Template("{child} was {feeling} at first, but then {child.she} tried to {job} and"),
    Template("The {animal} wanted to {job}. It tried {number} times. At last,"),
    Template("\"Thank you for {virtue},\" said the {animal} to {child}. They were"),
    Template("After {playing} all day, {child} and the {animal} were very tired."),
    # Two lines: a setting, then what happens.
    Template("{time}, {friend} went to the {place} and saw a {colour} {thing}.",
             system="Once upon a time, there was a {animal} named {friend}."),
    Template("\"Let's {play},\" said the {animal}. The {animal2} said,",
             system="A {animal} and a {animal2} lived {spot}."),
    Template("{time}, {child.she} saw a {animal} {spot}.",
             system="{child} liked to {play} at the {place}."),
    Template("The {animal} was {feeling}. {child} said,",
             system="It was a {weather} day at the {place}."),
    Template("{child} wanted to {chore}. {child.She}",
             system="This is a story about {virtue}."),
    Template("Once upon a time, there was a {kind} {animal} who lived in a {place}.",
             system="A story for {child}."),
    # A name, a colour or a thing of the miner's seed.
    Template("Once upon a time, there was a {kind} {child.girl} named [[{child}]]. {child.She} loved to {play}."),
    Template("{time}, a {animal} named [[{friend}]] went to the {place} to find some {foods}."),
    Template("{child} found a [[{look} {thing}]] {spot} and took it home."),
    Template("\"My name is [[{friend}]],\" said the {colour} {animal}. \"Do you want to {play}?\""),
    Template("{child}'s {elder} gave {child.her} friend a [[{colour} {toy}]]. They went to the {place}"),
    Template("[[{child}]] was {feeling} because it was {weather}. The {animal} came and said,"),
    Template("The {kind} {animal} and [[{friend}]] were {playing} {spot} when they heard {sound}."),
    Template("{child} saw a {size} [[{animal}]] at the {place}. \"Hello,\" said {child.she}."),
)
"""In bank order; a template never has more than 64 prompts."""
