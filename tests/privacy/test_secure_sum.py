"""Parts of secure aggregation: keys that agree, shares that join, graphs, masks."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import chisquare
from sympy import isprime

from fedbytes.privacy.secure_sum.keys import KeyPair, Occasion, open_envelope, seal_envelope
from fedbytes.privacy.secure_sum.masks import MaskStream
from fedbytes.privacy.secure_sum.neighbours import draw_neighbours, hang_together
from fedbytes.privacy.secure_sum.settings import SecureSumFields
from fedbytes.privacy.secure_sum.sharing import PRIME, SHARE_BYTES, join_shares, split_secret

RNG = np.random.default_rng(7)
WHERE = Occasion(3, 5, 1)


def test_a_circle_hangs_together_until_it_is_cut_twice():
    circle = {client: [(client + step) % 10 for step in (-2, -1, 1, 2)] for client in range(10)}
    assert hang_together([], circle)
    assert hang_together(circle, circle)
    assert hang_together(set(circle) - {4, 5}, circle)
    assert hang_together(set(circle) - {4, 5, 7, 9}, circle)
    assert not hang_together(set(circle) - {4, 5, 8, 9}, circle)


def test_any_so_many_shares_join_and_fewer_do_not():
    assert isprime(PRIME)
    secret = RNG.bytes(32)
    shares = split_secret(secret, [0, 2, 3, 7, 11], 3, RNG)
    assert {len(share) for share in shares.values()} == {SHARE_BYTES}
    for chosen in combinations(shares, 3):
        assert join_shares({holder: shares[holder] for holder in chosen}, 3) == secret
    with pytest.raises(ValueError, match="2 shares of a secret, of which 3"):
        join_shares({holder: shares[holder] for holder in (0, 2)}, 3)


@pytest.mark.parametrize("threshold", [2, 3, 5])
def test_one_share_too_few_says_nothing_of_the_secret(threshold):
    """What a polynomial of one degree less gives is uniform in the field, whatever the secret."""
    halves, draws = 0, 200
    for _ in range(draws):
        shares = split_secret(bytes(32), range(threshold + 1), threshold, RNG)
        some = {holder: shares[holder] for holder in list(shares)[: threshold - 1]}
        try:
            found = int.from_bytes(join_shares(some, threshold - 1), "little")
        except ValueError:  # beyond 2^256, one in 2^247
            continue
        assert found != 0
        halves += found > PRIME // 2
    assert abs(halves - draws / 2) < 5 * np.sqrt(draws) / 2


@pytest.mark.parametrize("secret", [bytes(32), b"\xff" * 32], ids=["zero", "largest"])
def test_secrets_at_the_ends_of_the_field(secret):
    shares = split_secret(secret, range(5), 5, RNG)
    assert join_shares(shares, 5) == secret


def test_a_pair_agrees_and_another_occasion_gives_another_key():
    one, other = KeyPair.draw(RNG), KeyPair.draw(RNG)
    bound = WHERE.of_pair(4, 9)
    assert bound == WHERE.of_pair(9, 4)
    key = one.agree(other.public, bound)
    assert key == other.agree(one.public, bound)
    others = [Occasion(3, 5, 2), Occasion(4, 5, 1), Occasion(3, 6, 1)]
    assert len({key, *(one.agree(other.public, where.of_pair(4, 9)) for where in others)}) == 4
    assert WHERE.binding("envelope", 4, 9) != WHERE.binding("envelope", 9, 4)


def test_an_envelope_opens_for_its_receiver_alone():
    key, bound = RNG.bytes(32), WHERE.binding("envelope", 1, 2)
    sealed = seal_envelope(key, b"two shares", bound)
    assert open_envelope(key, sealed, bound) == b"two shares"
    altered = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for given in [(RNG.bytes(32), sealed, bound), (key, altered, bound), (key, sealed, b"other")]:
        with pytest.raises(ValueError, match="does not open"):
            open_envelope(*given)


@pytest.mark.parametrize("bits", [1, 5, 8, 11, 16, 20, 33])
def test_every_residue_of_a_mask_is_as_likely(bits):
    numbers = MaskStream(RNG.bytes(32)).numbers(20_000, bits)
    assert int(numbers.max()) < 1 << bits
    cells = (numbers >> np.uint64(max(0, bits - 6))).astype(int)
    counts = np.bincount(cells, minlength=1 << min(bits, 6))
    assert counts.min() > 0
    assert chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize(("count", "degree"), [(3, None), (10, 4), (11, 4), (10, 8), (7, 20)])
def test_each_has_as_many_neighbours_and_they_are_mutual(count, degree):
    graph = draw_neighbours(list(range(5, 5 + count)), degree, RNG)
    wanted = count - 1 if degree is None else min(degree, count - 1)
    for client, near in graph.items():
        assert len(set(near)) == len(near) == wanted
        assert client not in near
        assert all(client in graph[other] for other in near)


@pytest.mark.parametrize(
    ("clients", "neighbours", "needed"),
    [(10, "all", 7), (100, "all", 67), (100, 20, 14), (3, "all", 3), (1, "all", 3)],
)
def test_two_thirds_must_answer_and_three_at_least(clients, neighbours, needed):
    assert SecureSumFields(neighbours=neighbours).needed(clients) == needed
