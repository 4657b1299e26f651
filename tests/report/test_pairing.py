"""Are the pairs right: what the report says of shuffled, shifted, exchanged, grouped and unpaired sets."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest

from mgaplib import embeddings, metrics, report
from mgaplib.pairs import Pairs
from mgaplib.report import page, pairing


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def drawn(n=200, d=32, noise=0.7, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return unit(x + np.eye(d)[0]), unit(x + noise * rng.normal(size=(n, d)) - np.eye(d)[0])


def clip():
    data = embeddings.load_embeddings("clip")
    if data.stand_in:
        warnings.warn(f"{data.label} cannot be reached: checked on {data.source}", stacklevel=2)
    _, first = np.unique(data.texts, axis=0, return_index=True)  # drawn pictures share captions
    return unit(data.images[np.sort(first)].astype(float)), unit(data.texts[np.sort(first)].astype(float))


def judged(x, y, **groups):
    return pairing.judge(Pairs(x, y, **groups))


@pytest.mark.parametrize("sets", [drawn, clip])
def test_right_pairs_are_ok(sets):
    x, y = sets()
    found = judged(x, y)
    assert (found.verdict, found.misplaced, found.repeats) == ("ok", [], (0, 0))
    assert found.p_value == 0.001 and found.misfits < 0.02
    assert found.words == [
        "The pairing is better than chance: none of 999 shufflings of the pairs fits as well."
    ]
    rng = np.random.default_rng(0)
    for _ in range(10):  # and hardly any part of them looks wrong
        some = rng.choice(len(x), 100, replace=False)
        assert judged(x[some], y[some]).verdict == "ok"


def by_name(n):
    return np.array(sorted(range(n), key=str))


ORDERS = {
    "the row 1 further on: one side is shifted": lambda y: np.roll(y, 1, axis=0),
    "the row 1 before: one side is shifted": lambda y: np.roll(y, -1, axis=0),
    "the row 7 further on": lambda y: np.roll(y, 7, axis=0),
    "the reverse order": lambda y: y[::-1],
    "if the images were sorted by name, counted from 0": lambda y: y[by_name(len(y))],
    "if the texts were sorted by name, counted from 0": lambda y: y[np.argsort(by_name(len(y)))],
}


@pytest.mark.parametrize("sets", [drawn, clip])
@pytest.mark.parametrize("words", ORDERS)
def test_an_order_that_would_be_right_is_named(sets, words):
    x, y = sets()
    found = judged(x, ORDERS[words](y))
    assert found.verdict == "wrong" and found.lost
    assert words in found.words[1] and found.words[1].startswith("All of them")


@pytest.mark.parametrize("sets", [drawn, clip])
def test_shuffled_and_unrelated_sets_are_no_better_than_chance(sets):
    x, y = sets()
    rng = np.random.default_rng(1)
    for other in (y[rng.permutation(len(y))], rng.normal(size=y.shape)):
        found = judged(x, other)
        assert found.verdict == "wrong" and found.p_value > 0.05 and found.lost
        assert found.words[0].startswith("The pairing is no better than chance")
        assert "shuffled or sorted differently" in found.words[1]


@pytest.mark.parametrize("sets", [drawn, clip])
def test_a_part_that_is_shifted_is_found(sets):
    x, y = sets()
    z, n = y.copy(), len(y)
    z[n // 2 :] = np.roll(z[n // 2 :], 1, axis=0)
    found = judged(x, z)
    assert found.verdict == "wrong" and "1 further on: one side is shifted" in found.words[1]
    assert np.mean(np.array(found.misplaced) >= n // 2) > 0.9
    # A row that is missing on one side shifts all after it.
    lost = judged(x[:-1], np.delete(y, n // 3, axis=0))
    assert "the row 1 before: one side is shifted" in lost.words[1]


@pytest.mark.parametrize("sets", [drawn, clip])
@pytest.mark.parametrize("how", ["swapped", "in a ring"])
def test_a_few_per_cent_exchanged_are_found_and_named(sets, how):
    x, y = sets()
    rng, z = np.random.default_rng(2), y.copy()
    some = rng.choice(len(y), len(y) // 25 * 2 // 2, replace=False)
    some = some[: len(some) // 2 * 2]
    z[some] = y[np.roll(some, 1)] if how == "in a ring" else y[some.reshape(-1, 2)[:, ::-1].ravel()]
    found = judged(x, z)
    assert found.verdict != "ok" and not found.lost
    if sets is clip and embeddings.load_embeddings("clip").stand_in:
        return  # a small model finds too few partners to name who was exchanged
    assert found.verdict == "wrong"
    assert "find their best partner among one another: they look exchanged" in found.words[1]
    assert len(set(found.misplaced) & set(some)) > 0.6 * len(some)
    assert np.mean(np.isin(found.misplaced, some)) > 0.6


def test_a_share_that_fits_nobody_is_looked_at():
    x, y = drawn()
    y[:20] = unit(np.random.default_rng(3).normal(size=(20, 32)))
    found = judged(x, y)
    assert found.verdict == "look" and found.misfits == pytest.approx(0.1, abs=0.06)
    assert "of the pairs fit no better than strangers do" in found.words[1]


def five(seed=0):
    x, _ = drawn(100, seed=seed)
    rng = np.random.default_rng(seed + 1)
    return x, unit(np.repeat(x, 5, axis=0) + 0.15 * rng.normal(size=(500, 32))), np.repeat(np.arange(100), 5)


def test_groups_are_judged_as_groups():
    x, y, of_texts = five()
    assert judged(x, y, groups=of_texts).verdict == "ok"
    tiled = pairing.judge(Pairs(np.tile(x, (5, 1)), y, groups="equal"))
    assert "if the texts are read as 5 of one image after another" in tiled.words[1]
    turned = pairing.judge(
        Pairs(np.repeat(x, 5, axis=0), y.reshape(100, 5, -1).swapaxes(0, 1).reshape(500, -1), groups="equal")
    )
    assert "if the texts are read as one of each image in turn" in turned.words[1]
    shifted = judged(x, np.roll(y, 5, axis=0), groups=of_texts)
    assert "of the row 1 further on: one side is shifted" in shifted.words[1]


def test_rows_that_repeat_are_said():
    x, y = drawn()
    y[10:14] = y[0]
    found = judged(x, y + 1e-9)
    assert found.repeats == (0, 4) and found.verdict != "ok"
    assert found.words[-1].startswith("4 texts equal an earlier one: a search cannot tell them apart")
    one_point = np.ones((50, 3)) + 1e-5 * np.random.default_rng(0).normal(size=(50, 3))
    assert pairing.judge(Pairs(one_point, drawn(50, 3)[1])).repeats[0] == 0  # alike, and not the same


# ---- the report


def test_five_captions_a_picture_however_they_come():
    x, y, of_texts = five()
    wanted = report.measure(x, y, groups=of_texts)
    assert repr(wanted).startswith("Report of 100 images and 500 texts in 100 groups, of 32 dimensions: gap")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the report says it in a sentence
        noticed = report.measure(np.repeat(x, 5, axis=0), y)
    assert "Equal rows are taken as one" in str(noticed) and "as the groups say" in str(wanted)
    assert noticed.metrics.value.to_dict() == pytest.approx(wanted.metrics.value.to_dict())
    assert wanted.metrics.value["recall_at_1 (text to image)"] == metrics.recall_at_k(
        y, x, groups=(of_texts, range(100))
    )
    assert noticed.best == wanted.best
    rowwise = report.measure(np.repeat(x, 5, axis=0), y, groups=range(500))
    assert rowwise.pairs == 500 and rowwise.pairing.repeats == (400, 0)
    assert rowwise.verdicts["recall_at_1 (text to image)"][0] == "look"
    page = noticed.to_html(captions=[f"caption {i};" for i in range(500)])
    assert "caption 5;" in page and "Equal rows are taken as one" in page and "caption 6;" in page
    few = report.measure(x, y, groups=of_texts, max_pairs=200)
    assert len(few.texts) == 200 and len(few.images) == 40 and few.pairs == 100
    np.testing.assert_allclose(few.texts, y[few.text_rows])
    np.testing.assert_array_equal(of_texts[few.text_rows], np.repeat(few.rows, 5))
    pairs = Pairs(x, y, groups=of_texts)
    assert report.measure(pairs).metrics.value.equals(wanted.metrics.value)
    assert len(report.measure(pairs, max_pairs=200).texts) == 200


def test_two_sets_without_pairs_get_what_they_can():
    x, y = drawn(), drawn(120, seed=5)[1]
    x = x[0]
    found = report.measure(x, y, score=0.2)
    words = str(found)
    assert "200 images and 120 texts without partners" in words and "are taken as unpaired" in words
    assert not found.paired and found.corrections is None and found.best is None
    assert found.metrics.value["modality_gap"] == metrics.modality_gap(x, y)
    assert not [name for name in found.metrics.index if name.startswith(("recall", "alignment", "gap_share"))]
    threshold, held_out = found.thresholds["pair"]
    assert held_out["false_positive_rate"] == pytest.approx(0.01, abs=0.012)
    again = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (again["pairs"], again["images"], again["texts"], again["relation"]) == (0, 200, 120, "unequal")
    assert again["pairing"]["p_value"] is None
    page = found.to_html()
    assert "Every metric" in page and "What closes it" not in page
    said = report.measure(x[:120], y, paired=False)
    assert said.relation == "unpaired" and "as was said" in str(said)
    assert report.measure(Pairs.unpaired(x, y)).metrics.value.equals(found.metrics.value)
    small = report.measure(x, y, max_pairs=50)
    assert (len(small.images), len(small.texts)) == (50, 50)
    for options, words in (
        ({"paired": False, "groups": range(200)}, "pass one"),
        ({"paired": True}, "say with groups= which rows belong together"),
    ):
        with pytest.raises(ValueError, match=words):
            report.measure(x, y, **options)
    with pytest.raises(
        ValueError, match="at least 24 are needed; 200 images and 10 texts without groups are"
    ):
        report.measure(x, y[:10])


def test_what_is_shuffled_is_said_first_and_no_advice_follows():
    x, y = drawn()
    found = report.measure(x, y[np.random.default_rng(1).permutation(200)])
    assert found.reading[0][0].startswith("The pairing is no better than chance")
    assert found.best is None and "cannot be judged until the pairs are right" in str(found)
    wrong = {name for name, (verdict, _) in found.verdicts.items() if verdict == "wrong"}
    assert {"alignment", "recall_at_1 (image to text)", "contrastive_loss"} <= wrong
    assert not wrong & {"modality_gap", "mean_cosine (images)", "score_gap"}
    again = found.to_dict()
    assert again["pairing"]["verdict"] == "wrong" and again["best_correction"] is None
    assert again["verdicts"]["alignment"] == {"verdict": "wrong", "reason": "the pairs do not look right"}
    assert "Before you quote a number" in found.to_html() and 'class="wrong"' in found.to_html()


def test_a_small_gap_is_told_from_none():
    x, y = np.random.default_rng(0).standard_normal((2, 500, 64))
    none = report.measure(x, y)
    p_value, high = none.by_chance
    assert p_value > 0.05 and "no gap is to be seen" in str(none)
    assert none.verdicts["modality_gap"] == ("wrong", "chance makes as long a gap")
    x[:, 0] += 0.8  # a true gap of about .10, of which .12 is measured
    some = report.measure(x, y)
    assert some.by_chance[0] == 0.001 and some.by_chance[1] < 0.08
    assert "no gap" not in str(some)
    assert some.verdicts["modality_gap"] == ("look", "chance adds to it; take the unbiased one")
    assert some.verdicts["modality_gap (unbiased)"][0] == "ok"
    low, high = some.metrics.loc["modality_gap (unbiased)", ["low", "high"]]
    assert low < 0.1 < high


def test_by_chance_no_gap_is_seen_about_as_often_as_it_says():
    from mgaplib.metrics.intervals import gaps_by_chance

    beyond = {"pairs": 0, "groups": 0, "rows": 0}
    for seed in range(100):
        rng = np.random.default_rng(seed)
        shared, of_texts = rng.normal(size=(40, 16)) + 0.5, np.repeat(range(40), rng.integers(1, 5, 40))
        x = shared + rng.normal(size=(40, 16))
        y = shared[of_texts] + rng.normal(size=(len(of_texts), 16))
        for name, pairs in (
            ("pairs", Pairs(x, shared + rng.normal(size=(40, 16)))),
            ("groups", Pairs(x, y, groups=of_texts)),
            ("rows", Pairs.unpaired(x, rng.normal(size=(25, 16)) * 2**0.5 + 0.5)),
        ):
            made = gaps_by_chance(pairs, seed, 199)
            beyond[name] += metrics.modality_gap(pairs) > np.quantile(made, 0.95)
    assert all(count <= 12 for count in beyond.values()), beyond
    assert beyond["pairs"] >= 1


@pytest.mark.parametrize(("hits", "n", "share"), [(0, 9, 0.3), (3, 4, 1.0), (7, 40, 0.1), (900, 4000, 0.2)])
def test_the_tail_of_a_count_is_the_binomial_laws(hits, n, share):
    from scipy.stats import binom

    assert pairing._at_least(hits, n, share) == pytest.approx(binom.sf(hits - 1, n, share), rel=1e-8)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("how", ["together", "in turn"])
def test_several_captions_an_image_are_found_by_their_order(how, swapped):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 32))
    of_text = np.repeat(np.arange(60), 5) if how == "together" else np.tile(np.arange(60), 5)
    y = x[of_text] + 2 * rng.normal(size=(300, 32)) + 5
    sides, groups = ((y, x), (of_text, np.arange(60))) if swapped else ((x, y), (np.arange(60), of_text))
    found, told = report.measure(*sides), report.measure(*sides, groups=groups)
    assert found.relation == how and "are taken, in groups" in str(found)
    pd.testing.assert_frame_equal(found.metrics, told.metrics)
    code = page.snippet("centring", page._GROUPS[how])
    images, texts = sides
    given = eval(page._GROUPS[how], {"np": np, "images": images, "texts": texts, "len": len, "min": min})
    assert all(np.array_equal(a, b) for a, b in zip(given, groups, strict=True))
    assert code.startswith("import numpy as np\n\nfrom mgaplib")
    with pytest.raises(ValueError, match="unequal|equally many|rows"):
        report.measure(*sides, paired=True)


@pytest.mark.parametrize("classes", [2, 5, 10])
def test_a_common_order_of_classes_is_no_relation(classes):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(classes, 32))
    x, y = (centres[np.arange(n) * classes // n] + rng.normal(size=(n, 32)) for n in (100, 200))
    assert report.measure(x, y).relation == report.measure(y, x).relation == "unequal"


def test_five_rows_an_image_that_nobody_belongs_to_are_unpaired():
    x, y = (np.random.default_rng(seed).normal(size=(n, 32)) for seed, n in ((2, 60), (3, 300)))
    assert report.measure(x, y).relation == "unequal"
    bad = y.copy()
    bad[7] = 0
    with pytest.raises(ValueError, match="zero row"):
        report.measure(x, bad)
