"""Requests and tokens that a key may use a minute, refilled steadily. No clock: times are given."""

from dataclasses import dataclass, field

MINUTE_MS = 60_000
MOST_KEYS = 10_000
"""Keys that are remembered; those that are full again are forgotten first."""


@dataclass(slots=True)
class Allowance:
    """So much a minute, all of it at once at most."""

    limit: int
    left: float
    at_ms: int

    def refill(self, limit: int, now_ms: int) -> None:
        """Up to ``limit``, which may have changed."""
        if limit != self.limit:
            self.left, self.limit = min(self.left, limit), limit
        gained = (now_ms - self.at_ms) * self.limit / MINUTE_MS
        self.left = min(self.limit, self.left + max(gained, 0))
        self.at_ms = now_ms

    def ready_ms(self, amount: int) -> int:
        """Milliseconds until there is so much; 0 if there is. All of a minute for more than all."""
        missing = min(amount, self.limit) - self.left
        return max(int(missing * MINUTE_MS / self.limit) + 1, 1) if missing > 0 else 0

    @property
    def full_ms(self) -> int:
        """Milliseconds until all of it is there again."""
        return self.ready_ms(self.limit)


@dataclass(slots=True)
class _Key:
    requests: Allowance
    tokens: Allowance


@dataclass(frozen=True, slots=True)
class Shortage:
    """A limit is reached."""

    what: str
    """requests or tokens."""
    limit: int
    """A minute."""
    wait_ms: int
    """Until it is worth another try."""


@dataclass(slots=True)
class MinuteLimits:
    """Of all keys that asked of late."""

    _keys: dict[str, _Key] = field(default_factory=dict)

    def take_request(self, key: str, requests: int, tokens: int, now_ms: int) -> Shortage | None:
        """Take one request; ``requests`` and ``tokens`` are the key's limits a minute."""
        found = self._of(key, requests, tokens, now_ms)
        if wait := found.requests.ready_ms(1):
            return Shortage("requests", requests, wait)
        found.requests.left -= 1
        return None

    def take_tokens(self, key: str, amount: int, now_ms: int) -> Shortage | None:
        """Take the most tokens that a request may use; what it leaves is given back.

        One that wants more than a minute has is let in where nothing else was used.
        """
        found = self._keys[key]
        found.tokens.refill(found.tokens.limit, now_ms)
        if wait := found.tokens.ready_ms(amount):
            return Shortage("tokens", found.tokens.limit, wait)
        found.tokens.left -= amount
        return None

    def give_back(self, key: str, tokens: int) -> None:
        """Tokens that were taken and not used."""
        if (found := self._keys.get(key)) is not None:
            found.tokens.left = min(found.tokens.left + tokens, found.tokens.limit)

    def headers(self, key: str) -> dict[str, str]:
        """``x-ratelimit-*`` of a key that has asked."""
        found = self._keys.get(key)
        if found is None:
            return {}
        told = {}
        for name, one in (("requests", found.requests), ("tokens", found.tokens)):
            told[f"x-ratelimit-limit-{name}"] = str(one.limit)
            told[f"x-ratelimit-remaining-{name}"] = str(max(int(one.left), 0))
            told[f"x-ratelimit-reset-{name}"] = f"{one.full_ms}ms"
        return told

    def _of(self, key: str, requests: int, tokens: int, now_ms: int) -> _Key:
        found = self._keys.get(key)
        if found is None:
            self._forget(now_ms)
            found = _Key(Allowance(requests, requests, now_ms), Allowance(tokens, tokens, now_ms))
            self._keys[key] = found
        found.requests.refill(requests, now_ms)
        found.tokens.refill(tokens, now_ms)
        return found

    def _forget(self, now_ms: int) -> None:
        """Room for one more key: those unused for a minute know nothing that a new one does not."""
        if len(self._keys) < MOST_KEYS:
            return
        self._keys = {
            key: one for key, one in self._keys.items() if now_ms - one.requests.at_ms < MINUTE_MS
        }
