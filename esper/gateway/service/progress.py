"""An answer as it comes: tokens to text, logarithms and an end. No clock and no chance."""

from collections.abc import Sequence

from esper.gateway.engine_port import EngineModel, Made
from esper.gateway.ports import AnswerTextPort, TextPort
from esper.gateway.replies.parts import Finish, Likely, Piece, TokenLogprob
from esper.gateway.requests.asked import Request


class AnswerProgress:
    """One answer, from its first token to its end."""

    def __init__(
        self,
        request: Request,
        model: EngineModel,
        text: TextPort,
        prompt: Sequence[int],
        most: int,
    ) -> None:
        """``most``: tokens at which it ends in any case."""
        self._text = text
        self._scale = model.logit_scale
        self._top = request.top_logprobs
        self._most = most
        self._ends = text.ends
        self._has_stops = bool(request.stop)
        self._answer: AnswerTextPort = text.answer(prompt, request.stop)
        self._made: list[Made] = []
        self._pieces: list[Piece] = []
        self.finish: Finish | None = None
        """Why it ended, None before."""

    @property
    def tokens(self) -> tuple[int, ...]:
        """What is signed: tokens up to the last one of the shown text."""
        return self._answer.tokens

    @property
    def logits(self) -> tuple[int, ...]:
        """Of ``tokens``."""
        return tuple(made.logit for made in self._made)

    @property
    def whole(self) -> Piece:
        """All of the text so far."""
        return Piece(
            "".join(piece.text for piece in self._pieces),
            tuple(one for piece in self._pieces for one in piece.logprobs),
        )

    def take(self, batch: Sequence[Made]) -> Piece:
        """What some more tokens show. Those after the end are left out."""
        take = self._one_by_one if self._has_stops else self._together
        shown, logprobs = take(batch) if self.finish is None else ("", ())
        if self.finish is not None:
            shown += self._answer.end()
            if self._answer.stop is not None:
                self.finish = Finish.STOP
            del self._made[len(self._answer.tokens) :]
        piece = Piece(shown, tuple(logprobs))
        self._pieces.append(piece)
        return piece

    def _together(self, batch: Sequence[Made]) -> tuple[str, Sequence[TokenLogprob]]:
        """Text is made for all of them at once: nothing in it can end the answer."""
        made = batch[: self._most - len(self._made)]
        tokens = [one.token for one in made]
        if not self._ends.isdisjoint(tokens):
            last = next(at for at, token in enumerate(tokens, start=1) if token in self._ends)
            made, tokens = made[:last], tokens[:last]
            self.finish = Finish.STOP
        self._made += made
        if self.finish is None and len(self._made) == self._most:
            self.finish = Finish.LENGTH
        return self._answer.add_all(tokens), self._logprobs(made)

    def _one_by_one(self, batch: Sequence[Made]) -> tuple[str, Sequence[TokenLogprob]]:
        """A stop belongs to the token that completes it, and those behind it are left out."""
        shown, taken = "", []
        for made in batch:
            shown += self._answer.add(made.token)
            # A stop that is complete only in the held back text before it takes the token away.
            if len(self._answer.tokens) > len(self._made):
                self._made.append(made)
                taken.append(made)
            if self._answer.stop is not None or made.token in self._ends:
                self.finish = Finish.STOP
            elif len(self._made) >= self._most:
                self.finish = Finish.LENGTH
            if self.finish is not None:
                break
        return shown, self._logprobs(taken)

    def _logprobs(self, made: Sequence[Made]) -> Sequence[TokenLogprob]:
        if self._top is None:
            return ()
        return [self._logprob(one, self._top) for one in made if one.token not in self._ends]

    def _logprob(self, made: Made, top: int) -> TokenLogprob:
        chosen = self._likely(made.token, made.logit, made.logsumexp)
        others = tuple(self._likely(*one, made.logsumexp) for one in made.top[:top])
        return TokenLogprob(chosen, others)

    def _likely(self, token: int, logit: int, logsumexp: float) -> Likely:
        data = self._text.token_bytes(token)
        return Likely(data.decode(errors="replace"), data, logit * self._scale - logsumexp)
