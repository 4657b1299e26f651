import numpy as np
import pytest

from mgaplib import remedy_tables, results


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


def test_differences_are_taken_seed_by_seed():
    ours = remedy_tables.recorded()
    wide = {arm: runs.set_index("seed").gap for arm, runs in ours.runs.groupby("arm")}
    expected = np.mean([wide["HS 1"][s] - wide["SLRT"][s] for s in range(ours.seeds)])
    assert ours.versus("gap", ["HS 1"], base="SLRT")["HS 1"] == pytest.approx(expected)
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
    inside = [results.foretold(five, last, confidence=0.9) for *five, last in draws]
    assert np.mean(inside) == pytest.approx(0.9, abs=0.015)
    with pytest.raises(ValueError, match="at least 2"):
        results.foretold([1.0], 1.0)
