import pytest

from esper.p2p.peers.dial_backoff import MOST_FAILURES, backoff_ms
from tests.support.net.peer_world import Fixed


@pytest.mark.parametrize(
    ("failures", "least", "most"),
    [
        (0, 5_000, 15_000),
        (1, 5_000, 15_000),
        (2, 10_000, 30_000),
        (3, 20_000, 60_000),
        (9, 1_280_000, 3_840_000),
        (10, 1_800_000, 5_400_000),
        (MOST_FAILURES, 1_800_000, 5_400_000),
        (10**9, 1_800_000, 5_400_000),
    ],
)
def test_rests_double_up_to_an_hour(failures: int, least: int, most: int) -> None:
    assert backoff_ms(failures, Fixed(greatest=False)) == least
    assert backoff_ms(failures, Fixed(greatest=True)) == most
