import numpy as np
import pytest

from mgaplib.book import records, remedy_tables


def test_the_papers_rows_are_shares_and_only_table_one_has_minimal_pairs():
    table = remedy_tables.printed()
    assert len(table) == 26 and table.index.is_unique
    first = [-1.165, 0.294, 0.1365, 0.6555, 0.68233, 0.78367, 0.14321]
    np.testing.assert_allclose(table.loc["Baseline"], first, rtol=1e-12)
    assert table.minimal_pairs.notna().sum() == 7
    shares = table.drop(columns=["gap", "uniformity_w2"])
    assert np.nanmin(shares) > 0 and np.nanmax(shares) < 1
    assert table.uniformity_w2.between(-np.sqrt(2), 0).all() and table.gap.between(0, 2).all()


def test_the_record_has_every_arm_of_the_paper():
    ours = remedy_tables.recorded()
    assert set(remedy_tables.printed().index) <= set(ours.mean.index)
    assert (ours.runs.groupby("arm").seed.nunique() == ours.seeds).all()


def test_one_measurement_stands_seed_by_seed_and_an_unknown_one_is_named():
    runs = remedy_tables.recorded().runs.set_index(["seed", "arm"])
    gap, retrieval = remedy_tables.on_shapes("gap"), remedy_tables.on_shapes("retrieval")
    assert gap.loc[3, "HS 1"] == runs.gap[3, "HS 1"]
    both = runs.loc[(2, "SLRT"), ["image_retrieval", "text_retrieval"]]
    assert retrieval.loc[2, "SLRT"] == pytest.approx(both.mean())
    assert set(gap) >= set(remedy_tables.printed().index) and not gap.isna().any(axis=None)
    with pytest.raises(ValueError, match="text_retrieval"):
        remedy_tables.on_shapes("text_retreival")


def test_a_row_is_the_means_in_words():
    ours = remedy_tables.recorded()
    assert ours.row("gap", ["HS 1"]) == f"{ours.mean.gap['HS 1']:.3f}"


def test_the_paper_stands_above_ours_and_an_unknown_arm_is_named():
    ours = remedy_tables.recorded()
    table = ours.beside(["FLT 0.1", "Hard Swap Feature 0.1"])
    assert table.index.tolist() == [
        ("FLT 0.1", "paper"),
        ("FLT 0.1", "recorded"),
        ("Hard Swap Feature 0.1", "recorded"),
    ]
    assert table.loc[("FLT 0.1", "paper"), "gap"] == "0.019"
    with pytest.raises(ValueError, match="FLT 0.1"):
        ours.beside(["FLT 0.11"])


def test_one_more_run_lies_where_it_is_foretold_as_often_as_said():
    rng = np.random.default_rng(0)
    draws = rng.normal(3.0, 0.5, size=(4000, 6))
    inside = [records.foretold(five, last, confidence=0.9) for *five, last in draws]
    assert np.mean(inside) == pytest.approx(0.9, abs=0.015)
    with pytest.raises(ValueError, match="at least 2"):
        records.foretold([1.0], 1.0)


def test_arms_that_spread_alike_narrow_what_is_foretold():
    rng = np.random.default_rng(1)
    draws = rng.normal(size=(3000, 6, 5)) + rng.normal(scale=9, size=(3000, 6, 1))  # six arms of five runs
    value = draws[:, 0].mean(axis=1) + np.sqrt(1.2) * rng.normal(size=3000)
    inside = [records.foretold(a[0], v, 0.9, alike=a[1:]) for a, v in zip(draws, value, strict=True)]
    assert np.mean(inside) == pytest.approx(0.9, abs=0.02)


def test_the_live_check_of_the_chapters_can_fail():
    """A run without swaps is no run with swaps on a tenth of the steps."""
    short = {arm: runs.gap for arm, runs in records.load("remedies_short").frame().groupby("arm")}
    others = [runs for arm, runs in short.items() if arm != "HS 0.1"]
    assert not records.foretold(short["HS 0.1"], short["Baseline"].mean(), alike=others)
    assert records.foretold(short["HS 0.1"], short["HS 0.1"].mean(), alike=others)


def test_the_tasks_on_emoji_were_asked_of_the_arms_whose_gaps_are_recorded():
    tasks, gaps = records.load("emoji_tasks").frame(), remedy_tables.on_emoji("gap")
    for name in ("gap", "uniformity_w2", "tau", "image_to_text", "text_to_image"):  # trained twice, alike
        again, first = tasks.pivot(index="seed", columns="arm", values=name), remedy_tables.on_emoji(name)
        np.testing.assert_allclose(again, first[list(again)], rtol=0.02, atol=2e-3)
    zero_shot = remedy_tables.on_emoji("zero_shot")
    assert set(zero_shot) <= set(gaps) and not zero_shot.isna().any(axis=None)
    assert set(remedy_tables.printed().minimal_pairs.dropna().index) <= set(zero_shot)
    with pytest.raises(ValueError, match="minimal_pairs"):
        remedy_tables.on_emoji("minimal_pair")
