"""Clusters of texts: found, the same again, and split by any other partitioner."""

import numpy as np
import pytest
from scipy.cluster.vq import kmeans2

from fedbytes.noniid import Partition, make_partitioner, partitioner_spec
from fedbytes.noniid.features.kmeans import _seeds, k_means
from fedbytes.noniid.features.tfidf import _tfidf, tfidf_svd
from fedbytes.streams import stream

WORDS = {
    "sport": ["goal", "team", "match", "player", "coach", "league", "season", "score"],
    "money": ["stock", "bank", "price", "market", "share", "profit", "trade", "rate"],
    "weather": ["rain", "wind", "cloud", "storm", "sun", "snow", "heat", "frost"],
}


@pytest.fixture(scope="module")
def topics():
    return np.random.default_rng(0).choice(list(WORDS), size=300)


@pytest.fixture(scope="module")
def texts(topics):
    rng = np.random.default_rng(1)
    return [" ".join([*rng.choice(WORDS[topic], 6), "the", "and"]) for topic in topics]


def agree(codes, topics):
    return Partition.from_owners(codes, int(codes.max()) + 1).metrics(topics)["nmi"]


def test_texts_of_a_topic_lie_together(texts, topics):
    points = tfidf_svd(texts, dim=8)
    assert points.shape == (300, 8)
    assert np.allclose(np.linalg.norm(points, axis=1), 1.0)
    same = topics[:, None] == topics[None, :]
    cosines = points @ points.T
    assert cosines[same].mean() > cosines[~same].mean() + 0.3


def test_clusters_find_topics(texts, topics):
    codes = make_partitioner("clusters", num_clusters=3).make_column(texts)
    assert agree(codes, topics) > 0.95
    assert np.all(np.diff(np.bincount(codes)) <= 0)  # the largest first


def test_then_decides_the_split(texts):
    clusters = make_partitioner("clusters", num_clusters=3)
    codes = clusters.make_column(texts)
    for then in ({"name": "iid"}, {"name": "dirichlet", "alpha": 0.05}):
        both = make_partitioner("clusters", num_clusters=3, then=then)
        assert both(texts, 5, seed=2) == make_partitioner(then)(codes, 5, seed=2)
        assert make_partitioner(partitioner_spec(both)) == both


def test_the_seed_moves_holders_and_not_clusters(texts):
    split = make_partitioner("clusters", num_clusters=3, then={"name": "dirichlet", "alpha": 0.1})
    first, second = split.resolve(texts)[1], split.resolve(list(texts))[1]
    assert np.array_equal(first, second)
    assert split(texts, 5, seed=0) != split(texts, 5, seed=1)


def test_embeddings_stand_in_for_texts(topics):
    rng = np.random.default_rng(2)
    centres = {topic: rng.normal(size=16) for topic in WORDS}
    points = np.array([centres[topic] + 0.05 * rng.normal(size=16) for topic in topics])
    split = make_partitioner("clusters", num_clusters=3, features="minilm")
    assert agree(split.make_column(points.astype(np.float32)), topics) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="clusters requires the texts' embeddings"):
        split(list(topics), 5)
    points[7, 3] = np.nan
    with pytest.raises(ValueError, match="1 of 300 points are not finite, first 7"):
        split(points, 5)


def test_fewer_distinct_texts_than_clusters():
    codes = make_partitioner("clusters", num_clusters=10).make_column(["a b", "a b", "c d", "c d"])
    assert codes[0] == codes[1] != codes[2] == codes[3]
    assert set(make_partitioner("clusters").make_column(["", "", ""])) == {0}


def test_k_means_is_as_good_as_its_best_start():
    rng = np.random.default_rng(3)
    points = np.concatenate([rng.normal(c, 0.1, size=(40, 2)) for c in range(6)])
    assert agree(k_means(points, 6), np.repeat(np.arange(6), 40)) > 0.99


def test_of_four_starts_the_best_is_taken():
    gains = []
    for seed in range(6):
        points = np.round(np.random.default_rng(seed).normal(size=(80, 2)), 6)
        found = k_means(points, 8)
        spreads = []
        for start in range(4):
            seeds = _seeds(points, 8, stream(0, "k-means", start))
            centres, codes = kmeans2(points, seeds, iter=30, minit="matrix")
            spreads.append(np.sum((points - centres[codes]) ** 2))
        best = kmeans2(points, _seeds(points, 8, stream(0, "k-means", int(np.argmin(spreads)))),
                       iter=30, minit="matrix")[1]  # fmt: skip
        assert agree(found, best) == 1
        gains.append(max(spreads) / min(spreads))
    assert max(gains) > 1.02  # the starts do differ


def test_words_of_every_text_weigh_less_than_telling_ones():
    texts = [f"the topic{i % 4} the" for i in range(40)]
    rows = _tfidf(texts).toarray()
    assert np.allclose(np.linalg.norm(rows, axis=1), 1)
    common = np.flatnonzero((rows > 0).all(axis=0))
    assert common.size == 1
    # 1 + log 2 for the word that stands twice; the inverse frequency of one of four.
    weight = 1 + np.log(2)
    inverse = 1 + np.log(41 / 11)
    assert rows[0, common[0]] == pytest.approx(weight / np.hypot(weight, inverse))


@pytest.mark.parametrize("count", [0, -1])
def test_refuses(count):
    with pytest.raises(ValueError, match=f"got {count}"):
        make_partitioner("clusters", num_clusters=count)
    with pytest.raises(ValueError, match=f"got {count}"):
        tfidf_svd(["a"], dim=count)


@pytest.mark.parametrize(
    "outer",
    [
        {"name": "mixture", "then": {"name": "clusters"}},
        {"name": "compose", "mixes": {"name": "clusters"}, "sizes": {"name": "quantity"}},
        {"name": "compose", "mixes": {"name": "dirichlet"}, "sizes": {"name": "clusters"}},
    ],
    ids=str,
)
def test_clusters_inside_another_say_where_they_belong(texts, outer):
    with pytest.raises(ValueError, match="as its `then`"):
        make_partitioner(outer)(texts, 5)
    inside = {"name": "dirichlet"}
    fields = {
        key: inside if value == {"name": "clusters"} else value for key, value in outer.items()
    }
    split = make_partitioner("clusters", num_clusters=3, then=fields)(texts, 5)
    assert split.sizes.sum() == len(texts)
    with pytest.raises(ValueError, match="clusters of clusters"):
        make_partitioner("clusters", then={"name": "clusters"})
