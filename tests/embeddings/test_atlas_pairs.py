import numpy as np
import pytest

from mgaplib import landscape, metrics
from mgaplib.embeddings import atlas, atlas_pairs

NAMES = ["clip/coco", "cloob/coco"]


@pytest.fixture(scope="module")
def loaded():
    return {name: atlas.load(name) for name in NAMES}


def test_the_mean_over_pairs_is_the_librarys_number(loaded):
    measured = atlas_pairs.measure(loaded, dict.fromkeys(NAMES, 30.0), draws=3)
    for name, found in loaded.items():
        x, y, row = found.images, found.texts, measured.plain.loc[name]
        recalls = [metrics.recall_at_k(x, y), metrics.recall_at_k(y, x)]
        np.testing.assert_allclose(row[["R@1 i→t", "R@1 t→i"]].tolist(), recalls)
        assert row["own first"] == pytest.approx(np.mean(metrics.same_modality_share(x, y)))
        moved = landscape.ShiftLandscape(x, y).loss([0, 0.5], 1 / 30)[:, 0]
        assert row["closing costs"] == pytest.approx(np.diff(moved)[0], rel=1e-4)
        assert row.gap == pytest.approx(metrics.modality_gap(x, y))


def test_each_pair_drawn_once_gives_the_unbiased_gap(loaded):
    for found in loaded.values():
        once = atlas_pairs.drawn_gaps(found.gram, np.ones((1, atlas.N)))
        unbiased = metrics.modality_gap(found.images, found.texts, unbiased=True)
        np.testing.assert_allclose(once, unbiased, atol=1e-5)


def test_draws_are_the_same_for_all_and_from_call_to_call(loaded):
    sharpness = dict.fromkeys(NAMES, 30.0)
    both = atlas_pairs.measure(loaded, sharpness, draws=4).drawn
    one = atlas_pairs.measure({NAMES[1]: loaded[NAMES[1]]}, sharpness, draws=4).drawn
    np.testing.assert_array_equal(both[NAMES[1]]["gap"], one[NAMES[1]]["gap"])
