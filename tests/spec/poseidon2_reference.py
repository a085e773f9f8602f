"""Poseidon2 of width 16 over Goldilocks in plain Python: the slow twin of the native digest.

Shares nothing with the native code: the round constants come from an own Grain LFSR, by the
parameters of the Poseidon reference (field GF(p), S-box x^7, 64 bits, 16 elements, 8 full and 22
partial rounds; ePrint 2019/458, appendix E), the matrices from ePrint 2023/323 (section 5) and the
documented diagonal of the p3-goldilocks crate.
"""

from collections.abc import Iterator

P = (1 << 64) - (1 << 32) + 1
WIDTH, RATE, FULL_ROUNDS, PARTIAL_ROUNDS = 16, 8, 8, 22


def _inverse(value: int) -> int:
    return pow(value, P - 2, P)


DIAGONAL = [
    value % P
    for value in (
        -2,
        1,
        2,
        _inverse(2),
        3,
        4,
        -_inverse(2),
        -3,
        -4,
        _inverse(2**3),
        _inverse(2**4),
        _inverse(2**5),
        -_inverse(2**3),
        -_inverse(2**4),
        -_inverse(2**5),
        _inverse(2**32),
    )
]
"""The internal matrix is this diagonal plus the matrix of ones."""


def _grain_bits() -> Iterator[int]:
    """The self-shrinking Grain stream for these parameters."""
    fields = ((1, 2), (0, 4), (64, 12), (WIDTH, 12), (FULL_ROUNDS, 10), (PARTIAL_ROUNDS, 10))
    state = [int(bit) for value, width in fields for bit in format(value, f"0{width}b")]
    state += [1] * (80 - len(state))

    def step() -> int:
        bit = state[62] ^ state[51] ^ state[38] ^ state[23] ^ state[13] ^ state[0]
        state.pop(0)
        state.append(bit)
        return bit

    for _ in range(160):
        step()
    while True:
        selector, bit = step(), step()
        if selector:
            yield bit


def round_constants() -> tuple[list[list[int]], list[int], list[list[int]]]:
    """(four initial full rounds, 22 partial rounds, four final full rounds)."""
    bits = _grain_bits()

    def element() -> int:
        while True:
            value = 0
            for _ in range(64):
                value = value << 1 | next(bits)
            if value < P:
                return value

    initial = [[element() for _ in range(WIDTH)] for _ in range(FULL_ROUNDS // 2)]
    partial = [element() for _ in range(PARTIAL_ROUNDS)]
    final = [[element() for _ in range(WIDTH)] for _ in range(FULL_ROUNDS // 2)]
    return initial, partial, final


INITIAL, PARTIAL, FINAL = round_constants()

MAT4 = ((2, 3, 1, 1), (1, 2, 3, 1), (1, 1, 2, 3), (3, 1, 1, 2))


def _external(state: list[int]) -> list[int]:
    mixed = [
        sum(MAT4[row][k] * state[block + k] for k in range(4))
        for block in range(0, WIDTH, 4)
        for row in range(4)
    ]
    sums = [sum(mixed[k::4]) for k in range(4)]
    return [(value + sums[i % 4]) % P for i, value in enumerate(mixed)]


def _internal(state: list[int]) -> list[int]:
    total = sum(state)
    return [(d * value + total) % P for d, value in zip(DIAGONAL, state, strict=True)]


def permute(state: list[int]) -> list[int]:
    """One permutation of sixteen elements."""
    state = _external(state)
    for constants in INITIAL:
        state = _external([pow(v + c, 7, P) for v, c in zip(state, constants, strict=True)])
    for constant in PARTIAL:
        state = _internal([pow(state[0] + constant, 7, P), *state[1:]])
    for constants in FINAL:
        state = _external([pow(v + c, 7, P) for v, c in zip(state, constants, strict=True)])
    return state


def digest(tag: str, elements: list[int]) -> list[int]:
    """The sponge: tag and counts in the capacity, inputs added into the rate, eight at a time."""
    name = tag.encode("ascii").ljust(32, b"\0")
    words = [int.from_bytes(name[i : i + 7], "little") for i in range(0, 32, 7)]
    state = [0] * RATE + words + [len(elements), RATE, 1]
    for start in range(0, max(len(elements), 1), RATE):
        for i, value in enumerate(elements[start : start + RATE]):
            state[i] = (state[i] + value) % P
        state = permute(state)
    return state[:RATE]
