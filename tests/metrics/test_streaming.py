"""Streaming metrics equal those in memory, however the pairs are cut up, merged and spread over workers."""

import contextlib
import os
import pickle
import signal
import tempfile
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgaplib import embeddings, metrics
from mgaplib.embeddings import shards
from mgaplib.metrics import GapAccumulator


def cones(n: int, d: int, seed: int, dtype=np.float64):
    """Two cones with a gap, paired: what CLIP's embeddings look like."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, d))
    sides = [shared + rng.normal(size=(n, d)) + 2 * rng.normal(size=d) for _ in range(2)]
    return [side.astype(dtype) for side in sides]


def in_memory(x, y, tau=None, block_size=50):
    found = {
        "pairs": len(x),
        "modality_gap": metrics.modality_gap(x, y),
        "relative_modality_gap": metrics.relative_modality_gap(x, y),
        "gap_share": metrics.gap_share(x, y),
        "alignment": metrics.alignment(x, y),
        "mean_cosine (images)": metrics.mean_cosine(x),
        "mean_cosine (texts)": metrics.mean_cosine(y),
        "uniformity_w2": metrics.uniformity_w2(x, y),
        "effective_rank (images)": metrics.effective_rank(x),
        "effective_rank (texts)": metrics.effective_rank(y),
    }
    if tau is not None:
        found["contrastive_loss"] = metrics.contrastive_loss(x, y, tau, block_size=block_size)
    return found


def test_all_at_once_equals_memory():
    x, y = cones(1001, 24, seed=0)
    assert GapAccumulator(tau=0.05).update(x, y).metrics() == pytest.approx(in_memory(x, y, 0.05), rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 400), max_size=5), st.integers(0, 3), st.randoms())
def test_any_cut_and_any_order_give_the_same(cuts, seed, random):
    x, y = cones(400, 8, seed)
    edges = sorted({0, 400, *cuts})
    parts = [GapAccumulator().update(x[a:b], y[a:b]) for a, b in zip(edges, edges[1:], strict=False)]
    random.shuffle(parts)
    total = GapAccumulator()
    for part in parts:
        total.merge(part)
    assert total.metrics() == pytest.approx(in_memory(x, y), rel=1e-9)


def test_float16_is_upcast_and_close():
    x, y = cones(9000, 16, seed=1, dtype=np.float16)  # more than two slices
    assert GapAccumulator().update(x, y).metrics() == pytest.approx(in_memory(x, y), rel=2e-5)


def test_sums_keep_float64_over_many_updates():
    """Float32 running sums would lose a gap of 1e-5 among 200,000 rows; these keep it."""
    x = np.ones((2000, 2), np.float64)
    y = x + np.array([1.4142e-5, -1.4142e-5])
    total = GapAccumulator()
    for _ in range(100):
        total.update(x, y)
    assert total.metrics()["modality_gap"] == pytest.approx(metrics.modality_gap(x, y), rel=1e-9)


def test_inputs_and_merged_parts_stay_as_they_are():
    x, y = cones(50, 4, seed=2)
    keep = x.copy(), y.copy()
    a, b = GapAccumulator().update(x, y), GapAccumulator().update(x, y)
    before = b.metrics()
    GapAccumulator().merge(b).merge(a).merge(b)
    assert b.metrics() == before and b.n == 50
    assert (x == keep[0]).all() and (y == keep[1]).all()


def test_a_refused_update_adds_nothing():
    x, y = cones(6000, 4, seed=3)
    total = GapAccumulator().update(x, y)
    bad = x.copy()
    bad[5000] = np.nan  # in the second slice, after the first has been summed
    with pytest.raises(ValueError, match=r"NaN.*row 904.*counted from row 4096"):
        total.update(bad, y)
    assert total.metrics() == GapAccumulator().update(x, y).metrics()


@pytest.mark.parametrize(
    ("images", "texts", "message"),
    [
        (np.ones((4, 3)), np.ones((5, 3)), "shape"),
        (np.ones(4), np.ones(4), "2-D"),
        (np.ones((4, 3), int), np.ones((4, 3), int), "floating point"),
        (np.zeros((4, 3)), np.ones((4, 3)), "zero row"),
        (np.ones((4, 7)), np.ones((4, 7)), "columns"),
    ],
)
def test_bad_input_is_refused(images, texts, message):
    with pytest.raises((TypeError, ValueError), match=message):
        GapAccumulator().update(np.eye(3), np.eye(3)).update(images, texts)


@pytest.mark.parametrize("options", [{"tau": 0.0}, {"tau": np.nan}, {"block_size": 1}, {"block_size": 2.5}])
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError, match="tau|block_size"):
        GapAccumulator(**options)


def test_too_few_pairs_and_unlike_parts_are_refused():
    with pytest.raises(ValueError, match="at least 2"):
        GapAccumulator().metrics()
    with pytest.raises(ValueError, match="no pairs"):
        GapAccumulator().gap_vector()
    with pytest.raises(ValueError, match="one tau"):
        GapAccumulator(tau=0.1).merge(GapAccumulator())


def test_memory_does_not_grow_with_the_pairs(tmp_path):
    d = 32
    for name, side in zip(("img_emb_0.npy", "text_emb_0.npy"), cones(200_000, d, 4, np.float16), strict=True):
        np.save(tmp_path / name, side)
    shard = embeddings.find_shards(tmp_path)[0]
    tracemalloc.start()
    shards.measure_shard(shard)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000 * d * 2  # less than one modality of the shard, in half precision


def test_what_a_worker_sends_grows_with_the_square_of_the_dimension():
    sizes = [len(pickle.dumps(GapAccumulator().update(*cones(500, d, seed=9)))) for d in (128, 256)]
    assert sizes[1] / sizes[0] == pytest.approx(4, rel=0.05)


# Shards on disk


def write_shards(folder, layout: str, x, y, pieces: int):
    for i, (a, b) in enumerate(zip(np.array_split(x, pieces), np.array_split(y, pieces), strict=True)):
        if layout == "parquet":
            import pyarrow
            import pyarrow.parquet

            table = pyarrow.table({"image_embedding": list(a), "text_embedding": list(b)})
            pyarrow.parquet.write_table(table, folder / f"part-{i}.parquet")
            continue
        for name, side in (("img_emb", a), ("text_emb", b)):
            place = folder / name if layout == "folders" else folder
            place.mkdir(exist_ok=True)
            np.save(place / f"{name}_{i}.npy", side)


@pytest.mark.parametrize("layout", ["flat", "folders", "parquet"])
def test_every_layout_gives_the_metrics_in_memory(tmp_path, layout):
    x, y = cones(1100, 12, seed=5, dtype=np.float32)
    write_shards(tmp_path, layout, x, y, pieces=11)  # 11 sorts between 1 and 2 as a string
    found = shards.measure_shards(tmp_path, tau=0.05, block_size=50).metrics()
    assert found == pytest.approx(in_memory(x, y, 0.05), rel=2e-5)


def test_shards_are_paired_by_number(tmp_path):
    x, y = cones(120, 6, seed=6)
    write_shards(tmp_path, "flat", x, y, pieces=12)
    names = [tuple(os.path.basename(p) for p in shard) for shard in embeddings.find_shards(tmp_path)]
    assert names[:3] == [(f"img_emb_{i}.npy", f"text_emb_{i}.npy") for i in range(3)] and len(names) == 12


def test_bad_folders_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        embeddings.find_shards(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="neither"):
        embeddings.find_shards(tmp_path)
    np.save(tmp_path / "img_emb_0.npy", np.eye(3))
    with pytest.raises(ValueError, match="but not both"):
        embeddings.find_shards(tmp_path)


def test_a_pickled_shard_is_refused_unread(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    np.save(tmp_path / "img_emb_0.npy", np.array([Bomb()], dtype=object))
    np.save(tmp_path / "text_emb_0.npy", np.eye(3))
    with pytest.raises(ValueError, match="img_emb_0.npy"):
        shards.measure_shards(tmp_path)
    assert not (tmp_path / "exploded").exists()


def test_a_truncated_shard_is_named(tmp_path):
    x, y = cones(100, 6, seed=7)
    write_shards(tmp_path, "flat", x, y, pieces=2)
    path = tmp_path / "img_emb_1.npy"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="img_emb_1.npy"):
        shards.measure_shards(tmp_path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image_embedding": [[1.0, 0.0]] * 3}, "not clear which two are the modalities"),
        ({"image_embedding": [[1.0, 0.0], [1.0]], "text_embedding": [[1.0, 0.0]] * 2}, "different lengths"),
        ({"image_embedding": [[1.0, 0.0], None], "text_embedding": [[1.0, 0.0]] * 2}, "no vector in row 1"),
    ],
)
def test_a_malformed_parquet_is_refused(tmp_path, columns, message):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=message):
        shards.measure_shards(tmp_path)


def test_a_cluster_that_loses_a_worker_half_way_gives_the_same(tmp_path):
    """Two worker processes; who begins the eleventh of twenty shards dies; the result does not change."""
    import dask
    from distributed import Client, LocalCluster

    x, y = cones(2000, 16, seed=8)
    write_shards(tmp_path, "flat", x, y, pieces=20)
    started, victim = tmp_path / "started", tmp_path / "victim"
    started.mkdir()
    alone = shards.measure_shards(tmp_path, tau=0.05).metrics()
    options = dict(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    patience = {f"distributed.comm.timeouts.{what}": "300s" for what in ("connect", "tcp")}
    with (
        dask.config.set(patience),  # a busy machine is slow, not wrong
        LocalCluster(**options, host="127.0.0.1") as cluster,
        Client(cluster) as client,
    ):
        assert shards.measure_shards(tmp_path, tau=0.05, client=client).metrics() == pytest.approx(
            alone, rel=1e-12
        )

        def kill_half_way(shard, tau, block_size):
            tempfile.mkstemp(dir=started)  # counts the shards that either worker began
            if len(os.listdir(started)) > 10:
                with contextlib.suppress(FileExistsError), victim.open("x") as file:
                    file.write(str(os.getpid()))
                    file.flush()
                    os.kill(os.getpid(), signal.SIGKILL)  # whichever it is, and once
            return shards.measure_shard(shard, tau, block_size)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shards, "measure_shard", kill_half_way)
            # cloudpickle ships the patched function by value, since it is local to this test.
            patch.setattr(kill_half_way, "__module__", "__main__", raising=False)
            survived = shards.measure_shards(tmp_path, tau=0.05, client=client).metrics()
        assert int(victim.read_text()) not in client.run(os.getpid).values()
    assert len(os.listdir(started)) > 20  # what died with the worker was measured again
    assert survived == pytest.approx(alone, rel=1e-12)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("img_emb_0.npy", "img_emb_00.npy"), "are both shard 0; keep one"),
        (("img_emb_1.npy", "img_emb/img_emb_1.npy"), "are both shard 1; keep one"),
        (("img_emb_a.npy",), "ends in no number"),
    ],
)
def test_shards_that_cannot_be_told_apart_are_refused(tmp_path, names, words):
    (tmp_path / "img_emb").mkdir()
    for name in names:
        np.save(tmp_path / name, np.eye(4))
    with pytest.raises(ValueError, match=words):
        embeddings.find_shards(tmp_path)


def test_pairs_that_coincide_have_a_gap_of_nothing_and_no_share():
    found = GapAccumulator().update(np.eye(3), np.eye(3)).metrics()
    assert found["modality_gap"] == 0 and np.isnan(found["gap_share"])


def test_groups_that_come_whole_equal_memory():
    x, y = cones(90, 8, seed=1)
    of_texts = np.repeat(np.arange(30), 3)
    x, groups = x[:30], (np.arange(30), of_texts)
    wanted = metrics.gap_report(x, y, tau=0.05, groups=groups).value
    half = of_texts < 12
    total = GapAccumulator(tau=0.05, block_size=30).update(
        x[:12], y[half], groups=(groups[0][:12], of_texts[half])
    )
    total.update(x[12:], y[~half], groups=(groups[0][12:], of_texts[~half]))
    found = total.metrics()
    assert found["pairs"] == 90
    for name in set(found) - {"pairs", "contrastive_loss"}:
        assert found[name] == pytest.approx(wanted[name], rel=1e-9), name
    whole = GapAccumulator(tau=0.05, block_size=30).update(x, y, groups=groups)
    assert whole.metrics()["contrastive_loss"] == pytest.approx(wanted["contrastive_loss"])
    np.testing.assert_allclose(whole.gap_vector(), metrics.gap_vector(x, y))
    with pytest.raises(ValueError, match="of one group"):
        GapAccumulator().update(x[:2], y[:3], groups=([0, 0], [0, 0, 0])).metrics()
