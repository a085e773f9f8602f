"""Hidden sets: what curators committed to, what rounds drew of it, and what that came to."""

from esper.rpc.schema.common import Amount, AsOf, Hash, IdBeginning, Reply, Request


class SetsParams(Request, frozen=True):
    """Sets for one tokenizer, or for those of all tiers and all models that are under way."""

    tokenizer: Hash | None = None


class SetParams(Request, frozen=True):
    """A hidden set by its id, the txid of its claim."""

    id: IdBeginning


class RoundsParams(Request, frozen=True):
    """A model by the id of its proposal; of one that has ended all digits."""

    id: IdBeginning


class DrawnItem(Reply, frozen=True):
    """An item that a round drew."""

    item: int
    """Its place in the set, from 0."""
    opened: bool
    proven: bool
    """Whether the model's answer is proven: it fits a proof, and so counts."""
    right: bool
    """Whether that answer is right."""
    txid: str | None = None
    """What opened it; None while nothing has, or where the node's history lacks it."""


class SetReply(Reply, frozen=True):
    """A hidden set, or what became of it."""

    id: str
    tokenizer: str
    curator: str
    root: str
    """What its curator committed to; empty of one that has ended."""
    items: int
    state: str
    """idle; awaited: a model is under way that its round draws for; drawn: to be opened; held: its
    model was taken back, and nothing is to be opened; ended."""
    made: int | None
    """Height of its block; None where the node's history lacks it."""
    used: int
    """Items that were ever drawn of it; 0 of one that has ended."""
    bond: Amount
    """Units that are held."""
    earned: Amount
    """Units of proposals' fees, as far as the node's history goes."""
    returned: Amount
    """Units of the bond that went back."""
    burned: Amount
    """Units of the bond that nobody has any more."""
    proposal: str | None
    """Of the model whose round has drawn of it."""
    model_id: str | None
    """That model."""
    judged: int | None
    """Height at which that round is judged: what was drawn is open before, or the bond burns."""
    drawn: list[DrawnItem]
    """In the order of the draw; empty while it is in no round."""


class TokenizerReply(Reply, frozen=True):
    """The sets for one tokenizer."""

    tokenizer: str
    models: list[str]
    """Ids of models that read it: of tiers, and of what is under way."""
    places: int
    """That are free."""
    least_bond: Amount | None
    """Of a set that gets a place now; None where models wait for all that have one."""
    sets: list[SetReply]
    """In the order in which they were taken; those that have ended, the newest, before them."""


class HiddenSets(Reply, frozen=True):
    """Hidden sets by tokenizer."""

    least_items: int
    """Of a set."""
    most_draws: int
    """Items that are ever drawn of a set; then it ends, and its bond goes back."""
    samples: int
    """Items that a round draws of each set."""
    tokenizers: list[TokenizerReply]
    as_of: AsOf


class SetShown(Reply, frozen=True):
    """One hidden set."""

    set: SetReply
    as_of: AsOf


class SetScore(Reply, frozen=True):
    """A set in a round."""

    set: str
    curator: str
    items: int
    """Of the set."""
    drawn: list[DrawnItem]
    complete: bool
    """Whether all of them are opened."""
    earned: Amount
    """Units of the proposal's fee, once the round is judged."""
    burned: Amount
    """Units of its bond, where something was not opened in time."""


class RoundReply(Reply, frozen=True):
    """A round of hidden sets about a model."""

    round: int
    """1 before its activation, 2 behind it."""
    state: str
    """to-come, open, judged, unjudged; passed-over where the node's history lacks what it came
    to."""
    height: int | None
    """At which it draws, is judged, or was; None while that depends on a vote."""
    words: str
    """What that means; of one to come, what the sets that are there now would make of it."""
    median: str | None
    """Lower median of the scores, as a fraction such as 1/2; None unless it was judged."""
    threshold: int
    """Thousandths: a lower median below opens a rollback; 0 for never."""
    sets: list[SetScore]
    rollback: str | None
    """Id of the vote on taking the model back that it opened by itself, or keeps open."""


class Rounds(Reply, frozen=True):
    """The rounds of a model."""

    id: str
    number: int | None
    """The proposal's; None once it has ended."""
    pays: Amount
    """Units of the proposal's fee that a round to come pays to what is proven; 0 once ended."""
    rounds: list[RoundReply]
    """Empty of a longer bank, which has none."""
    as_of: AsOf
