from __future__ import annotations

import itertools
import json

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuromod import Network, analysis
from neuromod.analysis import clusters, importance, lesions, modularity, space, variance
from neuromod.analysis.published import growing_brains
from neuromod.errors import UsageError
from neuromod.geometry import distances
from neuromod.tasks import generate, resolve


def planted(side: int = 12, blocks: int = 2, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels of a grid cut into blocks x blocks squares, and the positions."""
    at = np.stack(np.divmod(np.arange(side * side), side)[::-1], axis=1).astype(np.float64)
    labels = (at[:, 1] // (side // blocks) * blocks + at[:, 0] // (side // blocks)).astype(np.int64)
    return labels, at


def profiles(labels: np.ndarray, noise: float = 0.05, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    k = labels.max() + 1
    return np.repeat(np.eye(k), 3, axis=1)[labels] + noise * rng.random((len(labels), 3 * k))


# ---- task variance


def test_variance_of_a_network_that_copies_its_input(solver: Network) -> None:
    """With α = 1 and no recurrence the state is the input; its variance can be had from the trials alone."""
    n = 53
    copier = Network(
        w_rec=np.zeros((n, n)), w_in=np.eye(n), w_out=np.zeros((17, n)), bias=np.zeros(n), bias_out=np.zeros(17),
        dt_s=0.1, tau_s=0.1, info=solver.info,
    )  # fmt: skip
    found = variance.task_variance(copier, trials_per_task=30, seed=3)
    for column, name in enumerate(("go", "rtgo", "dlygo")):
        seed = np.random.SeedSequence(3, spawn_key=(column,))
        x = generate([name], 120, seed=seed, noise=False).inputs[:, :30].astype(np.float64)
        expected = ((x - x.mean(axis=1, keepdims=True)) ** 2).mean(axis=1).mean(axis=0)
        np.testing.assert_allclose(found[:, column], expected, atol=1e-12)
    # The fixation cue and the rule are the same in all trials of a task.
    assert (found[0] == 0).all()
    assert (found[33:] == 0).all()
    assert variance.active(found).sum() == 32


def test_trials_of_variance_have_one_length() -> None:
    trials = generate(["dm1"], 60, seed=0, noise=False)
    assert len(set(trials.mask.sum(axis=0).tolist())) == 3
    x = variance.of_one_length(trials, 10)
    lengths = trials.mask.sum(axis=0)
    assert x.shape[0] == np.bincount(lengths).argmax()
    first = np.flatnonzero(lengths == x.shape[0])[:10]
    np.testing.assert_array_equal(x, trials.inputs[: x.shape[0], first])


def test_normalized_by_the_largest() -> None:
    rows = variance.normalized(np.array([[1.0, 4.0], [0.0, 0.0], [3.0, 1.5]]))
    assert rows.tolist() == [[0.25, 1.0], [0.0, 0.0], [1.0, 0.5]]


# ---- clusters


@pytest.mark.parametrize("k", [2, 3, 5, 7])
def test_planted_clusters_are_found(k: int) -> None:
    labels = np.random.default_rng(k).integers(0, k, 90)
    found = clusters.cluster(profiles(labels))
    assert found is not None
    assert found.k == k
    # Features 3c … 3c+2 prefer cluster c, so that even the numbering is known.
    np.testing.assert_array_equal(found.labels, labels)
    assert found.silhouette > 0.8
    assert found.scores[found.method][k] == found.silhouette == max(max(s.values()) for s in found.scores.values())


def test_nothing_to_cluster() -> None:
    assert clusters.cluster(np.ones((20, 4))) is None
    assert clusters.cluster(np.eye(2)) is None


def test_silhouettes_by_hand() -> None:
    at = np.array([0.0, 1.0, 5.0, 9.0])
    found = clusters.silhouettes(np.abs(at[:, None] - at), np.array([0, 0, 1, 2]))
    # 0: inside 1, nearest 5; 1: inside 1, nearest 4; the others are alone.
    np.testing.assert_allclose(found, [0.8, 0.75, 0, 0])


@settings(max_examples=20, deadline=None)
@given(n=st.integers(8, 40), k=st.integers(2, 5), seed=st.integers(0, 2**32 - 1))
def test_silhouette_and_ward_equal_scikit_learn(n: int, k: int, seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    from scipy.cluster import hierarchy
    from sklearn.cluster import AgglomerativeClustering

    rng = np.random.default_rng(seed)
    rows = rng.random((n, 4))
    labels = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    between = np.linalg.norm(rows[:, None] - rows, axis=2)
    np.testing.assert_allclose(
        clusters.silhouettes(between, labels), metrics.silhouette_samples(rows, labels), atol=1e-9
    )
    ours = clusters._ward(hierarchy.linkage(rows, method="ward"), k)
    theirs = AgglomerativeClustering(n_clusters=k, linkage="ward").fit_predict(rows)
    assert metrics.adjusted_rand_score(ours, theirs) == pytest.approx(1)


# ---- space


@pytest.mark.parametrize("name", ["isolated_ratio", "within_cluster_distance", "within_cluster_squares"])
def test_planted_blocks_stand_out_and_shuffled_ones_do_not(name: str) -> None:
    labels, at = planted()
    measure = getattr(space, name)
    found = measure(labels, at)
    assert found.z < -6
    assert found.p == pytest.approx(1 / 1001)
    zs = [measure(np.random.default_rng(s).permutation(labels), at, permutations=200, seed=s).z for s in range(20)]
    assert abs(np.mean(zs)) < 1
    assert 0.5 < np.std(zs) < 1.7


def test_statistics_by_index_by_hand() -> None:
    labels = np.array([0, 0, 1, 0, 1, 1])
    assert space.isolated_by_index(labels, permutations=100).value == pytest.approx(2 / 6)
    # Ranks 0, 1, 3 and 2, 4, 5.
    assert space.index_variance(labels, permutations=100).value == pytest.approx(np.var([0, 1, 3]) + np.var([2, 4, 5]))


@pytest.mark.parametrize("name", ["isolated_by_index", "index_variance"])
def test_bands_stand_out_by_index_and_shuffled_ones_do_not(name: str) -> None:
    labels = np.repeat(np.arange(4), 20)
    measure = getattr(space, name)
    found = measure(labels)
    assert found.z < -6
    assert found.p == pytest.approx(1 / 1001)
    zs = [measure(np.random.default_rng(s).permutation(labels), permutations=200, seed=s).z for s in range(20)]
    assert abs(np.mean(zs)) < 1
    assert 0.5 < np.std(zs) < 1.7


def test_space_by_hand() -> None:
    # 0 0
    # 1 0
    labels = np.array([0, 0, 1, 0])
    at = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float64)
    apart = space.within_cluster_distance(labels, at, permutations=500)
    assert apart is not None
    assert apart.value == pytest.approx((1 + 1 + 2) / 3)
    # Whoever is alone, the other three are one corner: nothing varies, so there is no z and nothing is significant.
    assert apart.z is None
    assert apart.p == 1.0
    assert space.isolated_ratio(labels, at).value == 0.25
    assert space.within_cluster_squares(labels, at).value == pytest.approx(2 * (2 / 3))
    assert space.within_cluster_distance(np.arange(4), at) is None


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_space_statistics_equal_double_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 25))
    at = np.stack(np.divmod(rng.permutation(36)[:n], 6), axis=1).astype(float)
    labels = rng.integers(0, 3, n)
    pairs = [(i, j) for i, j in itertools.combinations(range(n), 2) if labels[i] == labels[j]]
    if not pairs:
        return
    manhattan = {(i, j): np.abs(at[i] - at[j]).sum() for i, j in itertools.combinations(range(n), 2)}
    found = space.within_cluster_distance(labels, at, permutations=100)
    assert found is not None
    assert found.value == pytest.approx(np.mean([manhattan[p] for p in pairs]))
    company = {i for p in pairs if manhattan[p] == 1 for i in p}
    assert space.isolated_ratio(labels, at, permutations=100).value == pytest.approx(1 - len(company) / n)
    squares = sum(((at[labels == c] - at[labels == c].mean(axis=0)) ** 2).sum() for c in set(labels.tolist()))
    assert space.within_cluster_squares(labels, at, permutations=100).value == pytest.approx(squares)


def test_mantel_finds_similarity_that_falls_with_distance() -> None:
    _, at = planted(6)
    apart = distances(at)
    near = space.mantel(np.exp(-apart / 2), apart)
    assert near is not None
    a, b = np.triu_indices(36, 1)
    assert near.value == pytest.approx(np.corrcoef(np.exp(-apart / 2)[a, b], apart[a, b])[0, 1])
    assert near.value < -0.8
    assert near.p == pytest.approx(1 / 1001)
    rng = np.random.default_rng(0)
    noise = rng.random((36, 36))
    unrelated = space.mantel(noise + noise.T, apart)
    assert unrelated is not None
    assert unrelated.z is not None
    assert abs(unrelated.z) < 3
    assert space.mantel(np.ones((36, 36)), apart) is None


def test_weight_by_distance_by_hand() -> None:
    w = np.array([[0.5, -1.0, 0.0], [3.0, 0.0, 0.0], [0.2, 0.0, 0.0]])
    table = space.weight_by_distance(w, np.array([[0, 0], [1, 0], [5, 0]]))
    assert [(r.distance, r.pairs, r.synapses) for r in table] == [(0, 3, 1), (1, 2, 2), (4, 2, 0), (5, 2, 1)]
    assert [r.mean for r in table] == pytest.approx([0.5 / 3, 2.0, 0.0, 0.1])
    assert [r.median_of_synapses for r in table] == [0.5, 2.0, None, 0.2]
    assert space.far_to_near(table) == pytest.approx((0.2 / 4) / 2.0)
    assert space.far_to_near(table[:2]) is None


# ---- importance


def test_importance_by_hand(solver: Network) -> None:
    found = importance.importance(solver)
    # The fixation neuron: 1 in, 20 out; the others: 0.9 to and from themselves, two inputs, one output.
    np.testing.assert_allclose(found, [21.0] + [0.9 + 0.9 + 2 + 1] * 16, rtol=1e-6)


def test_gap_is_the_steepest_fall() -> None:
    values = np.concatenate([np.linspace(10, 5, 60), np.linspace(1e-3, 1e-4, 40)])
    found = importance.gap(np.random.default_rng(0).permutation(values))
    assert found is not None
    assert (found.rank, found.width, found.to_zero) == (60, 5, False)
    # The best of five ranks spans the cliff and ends low in the tail.
    assert np.log10(5 / 1e-3) <= found.decades < np.log10(10 / 1e-4)
    dead = importance.gap(np.array([3.0, 2.0, 0.0, 0.0]))
    assert dead is not None
    assert (dead.rank, dead.to_zero) == (2, True)
    assert dead.decades > 6
    assert importance.gap(np.zeros(5)) is None
    even = importance.gap(np.linspace(2, 1, 100))
    assert even is not None
    assert even.decades < 0.05


# ---- modularity


def block_network(
    n: int = 60, k: int = 4, *, inside: float = 0.5, outside: float = 0.02
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % k
    p = np.where(labels[:, None] == labels, inside, outside)
    w = (rng.random((n, n)) < p) * rng.random((n, n))
    np.fill_diagonal(w, 0)
    return w, labels


def test_q_equals_networkx_and_the_double_sum() -> None:
    w, labels = block_network(20, 3)
    m = w.sum()
    by_hand = sum(
        (w[i, j] - w[i].sum() * w[:, j].sum() / m) / m for i in range(20) for j in range(20) if labels[i] == labels[j]
    )
    assert modularity.q(w, labels) == pytest.approx(by_hand)
    graph = nx.from_numpy_array(w, create_using=nx.DiGraph)
    parts = [set(np.flatnonzero(labels == c).tolist()) for c in range(3)]
    assert modularity.q(w, labels) == pytest.approx(nx.community.modularity(graph, parts))
    assert modularity.q(np.zeros((4, 4)), np.zeros(4, np.int64)) == 0


def test_planted_modules_are_found_and_beat_chance() -> None:
    w, labels = block_network()
    found = modularity.louvain(w, seed=0)
    assert len(set(zip(found.tolist(), labels.tolist(), strict=True))) == 4
    for partition in (None, labels):
        q = modularity.modularity(w, partition, nulls=20)
        assert q is not None
        assert q.z is not None
        assert q.q > 0.4
        assert q.z > 8
    unrelated = modularity.modularity(w, np.random.default_rng(1).permutation(labels), nulls=50)
    assert unrelated is not None
    assert unrelated.z is not None
    assert abs(unrelated.z) < 3.5
    assert modularity.modularity(np.zeros((5, 5))) is None


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_shuffling_keeps_the_weights_and_no_self_connection(seed: int) -> None:
    rng = np.random.default_rng(seed)
    w = rng.random((7, 7)) * (rng.random((7, 7)) < 0.4)
    np.fill_diagonal(w, 0)
    other = modularity.shuffled(w, rng)
    np.testing.assert_array_equal(np.sort(other, axis=None), np.sort(w, axis=None))
    assert (np.diagonal(other) == 0).all()


def test_graph_keeps_the_strongest() -> None:
    w = np.array([[9.0, 1.0, -2.0], [3.0, 9.0, 4.0], [-5.0, 6.0, 9.0]])
    assert np.sort(modularity.graph(w, 0.5), axis=None)[-3:].tolist() == [4, 5, 6]
    assert np.count_nonzero(modularity.graph(w, 0.5)) == 3
    assert np.count_nonzero(modularity.graph(w, 1.0)) == 6


def test_small_world_equals_networkx() -> None:
    graph = nx.connected_watts_strogatz_graph(60, 6, 0.1, seed=1)
    found = modularity.small_world(np.triu(nx.to_numpy_array(graph)))
    assert found is not None
    assert found.clustering == pytest.approx(nx.average_clustering(graph))
    assert found.path_length == pytest.approx(nx.average_shortest_path_length(graph))
    assert found.sigma is not None
    assert found.sigma > 2
    random = modularity.small_world(nx.to_numpy_array(nx.gnm_random_graph(60, 180, seed=2)))
    assert random is not None
    assert random.sigma is not None
    assert 0.6 < random.sigma < 1.5


# ---- lesions


def test_lesion_of_what_a_task_needs(solver: Network) -> None:
    """Without the neurons of half of the ring, half of the targets cannot be answered; without fixation all can."""
    labels = np.array([0] + [1] * 8 + [2] * 8)
    found = lesions.lesion(solver, np.arange(17), labels, trials_per_task=400)
    assert found.accuracy == 1.0
    assert set(found.accuracy_per_task) == {"go", "rtgo", "dlygo"}
    by_cluster = {item.cluster: item for item in found.clusters}
    assert by_cluster[0].accuracy == 1.0
    for cluster in (1, 2):
        assert by_cluster[cluster].neurons == 8
        assert by_cluster[cluster].accuracy < 0.75
        assert all(value < 0.8 for value in by_cluster[cluster].accuracy_per_task.values())
    assert by_cluster[1].accuracy + by_cluster[2].accuracy == pytest.approx(1.0, abs=0.15)


def test_silence_equals_zero_output(solver: Network) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((12, 5, 53))
    gone = np.array([3, 7])
    w_rec, w_out = solver.w_rec.toarray(), solver.w_out.copy()
    w_rec[:, gone], w_out[:, gone] = 0, 0
    import dataclasses

    muted = dataclasses.replace(solver, w_rec=w_rec, w_out=w_out)
    np.testing.assert_allclose(lesions.silence(solver, gone).run(x)[0], muted.run(x)[0])


# ---- all together


def test_analyze_a_network_with_planted_modules() -> None:
    """Two halves of an 8x8 grid, each awake in every other task, against the same network scattered in the plane."""
    at = np.stack(np.divmod(np.arange(64), 8)[::-1], axis=1)
    half = (at[:, 0] >= 4).astype(int)
    w_in = np.zeros((64, 53))
    w_in[:, 1:9], w_in[:, 17:25] = np.random.default_rng(1).random((2, 64, 8))
    for rule in range(20):
        w_in[half != rule % 2, 33 + rule] = -50
    w_rec = np.where((half[:, None] == half) & (np.abs(at[:, None] - at).sum(axis=2) == 1), 0.1, 0)
    w_out = np.ones((17, 64))
    names = list(resolve("yang19"))[:6]
    given = {"w_in": w_in, "w_out": w_out, "bias": np.zeros(64), "bias_out": np.zeros(17), "dt_s": 0.1,
             "tau_s": 0.2, "info": {"tasks": names, "semantics": "go-cue", "dt_ms": 100}}  # fmt: skip
    near = Network(w_rec=w_rec, positions=at, **given)
    far = Network(w_rec=w_rec, positions=at[np.random.default_rng(0).permutation(64)], **given)
    steps: list[str] = []
    found, scattered = (analysis.analyze(net, trials_per_task=30, nulls=5, on_step=steps.append) for net in (near, far))
    assert found.clusters is not None
    assert scattered.clusters is not None
    assert found.within_cluster_distance is not None
    assert scattered.within_cluster_distance is not None
    assert found.far_to_near is not None
    assert scattered.far_to_near is not None
    assert found.clusters.k == 2
    np.testing.assert_array_equal(found.clusters.labels, scattered.clusters.labels)
    assert len(set(zip(found.clusters.labels.tolist(), half.tolist(), strict=True))) == 2
    assert found.within_cluster_distance.z < -8
    assert scattered.within_cluster_distance.z > -3
    assert found.far_to_near < 0.05 < scattered.far_to_near
    assert found.wiring.count < 0.5 * scattered.wiring.count
    assert found.louvain_modularity.q == pytest.approx(scattered.louvain_modularity.q)
    assert steps[:5] == ["task variance", "clusters", "lesions", "modularity", "space"]
    again = analysis.analyze(near, trials_per_task=30, nulls=5)
    assert json.dumps(again.to_dict()) == json.dumps(found.to_dict())


def test_what_is_not_known_is_none(solver: Network) -> None:
    import dataclasses

    bare = analysis.analyze(dataclasses.replace(solver, info={}, positions=None), nulls=2)
    assert (bare.clusters, bare.lesions, bare.mantel, bare.wiring, bare.task_variance) == (None,) * 5
    assert bare.gap is not None
    json.dumps(bare.to_dict(), allow_nan=False)


def test_arguments_out_of_range(solver: Network) -> None:
    for arguments in ({"permutations": 5}, {"nulls": 1}, {"trials_per_task": 1}, {"density": 0.0}):
        with pytest.raises(UsageError, match="out of range"):
            analysis.analyze(solver, **arguments)


def test_published_points_are_what_the_claims_say() -> None:
    paper = growing_brains()
    best = {name: min(row[1] for row in paper[name]) for name in ("bimt", "l1", "none")}
    assert best == {"bimt": 0.0265, "l1": 0.03, "none": 0.0336}
    assert set(paper["accuracy_per_task"]) == set(resolve("yang19"))
    assert np.mean(list(paper["accuracy_per_task"].values())) == pytest.approx(0.965, abs=0.005)
