"""A claim's verdict follows from its checks, and a check from its interval and its bound."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgaplib.book import claims

ROW = dict(source="liang2022", where="Figure 3", statement="s", paper=None, here=1, data="real")
YES, NO = claims.exact("falls", True), claims.exact("rises", False)
OPEN = claims.trend("moves", estimate=0.1, low=-1, high=2, n=5, above=0)
NUMBERS = st.floats(-1e6, 1e6)
INTERVALS = st.tuples(NUMBERS, NUMBERS).map(sorted)


def ready(low, high, **bound):
    """The answer of a trend, or of `same`, on a ready-made interval."""
    make = claims.same if "within" in bound else claims.trend
    return make("w", estimate=low, low=low, high=high, n=3, **bound).true


@pytest.mark.parametrize(
    ("low", "high", "bound", "true"),
    [
        (0.1, 0.5, {"above": 0}, True),
        (-0.1, 0.5, {"above": 0}, None),
        (-0.5, -0.1, {"above": 0}, False),
        (0.0, 0.5, {"above": 0}, None),
        (-0.5, 0.0, {"above": 0}, False),
        (0.0, 0.0, {"above": 0}, False),
        (-0.5, -0.1, {"below": 0}, True),
        (-0.5, 0.1, {"below": 0}, None),
        (0.0, 0.1, {"below": 0}, False),
        (-0.5, 0.0, {"below": 0}, None),
        (-0.1, 0.1, {"within": (-0.1, 0.1)}, True),
        (-0.95, 0.73, {"within": (-0.3, 0.3)}, None),
        (0.2, 0.4, {"within": (-0.3, 0.3)}, None),
        (0.4, 0.5, {"within": (-0.3, 0.3)}, False),
        (-0.5, -0.4, {"within": (-0.3, 0.3)}, False),
        (0.95, 1.2, {"within": (0.95, math.inf)}, True),
        (0.5, 1.2, {"within": (0.95, math.inf)}, None),
        (0.5, 0.9, {"within": (0.95, math.inf)}, False),
    ],
)
def test_an_interval_decides_or_does_not(low, high, bound, true):
    assert ready(low, high, **bound) is true


@settings(deadline=None)
@given(INTERVALS, NUMBERS)
def test_above_is_below_of_the_negative(ends, bound):
    low, high = ends
    assert ready(low, high, above=bound) is ready(-high, -low, below=-bound)


@settings(deadline=None)
@given(INTERVALS, INTERVALS.filter(lambda ends: ends[0] < ends[1]))
def test_a_wider_interval_decides_no_more(ends, bound):
    (low, high), half = ends, 1.0
    for rule in ({"above": bound[0]}, {"below": bound[0]}, {"within": tuple(bound)}):
        wide = ready(low - half, high + half, **rule)
        assert wide is None or wide is ready(low, high, **rule)


@settings(deadline=None)
@given(INTERVALS.filter(lambda ends: ends[0] < ends[1]), INTERVALS)
def test_same_agrees_with_two_trends(bound, ends):
    low, high = ends
    if bound[0] < low and high < bound[1]:
        assert ready(low, high, within=tuple(bound)) is True
        assert ready(low, high, above=bound[0]) is ready(low, high, below=bound[1]) is True


@settings(deadline=None)
@given(st.lists(NUMBERS, min_size=2, max_size=30))
def test_the_interval_of_seeds_is_around_their_mean_whatever_their_order(values):
    check = claims.trend("w", values, above=0)
    assert check.n == len(values) and check.over == "seeds"
    assert check.low <= check.estimate <= check.high
    other = claims.trend("w", values[::-1], above=0)
    assert np.allclose([other.low, other.high], [check.low, check.high], rtol=1e-9, atol=1e-6)


def test_seeds_take_students_interval_of_the_mean():
    check = claims.trend("w", [1.0, 2.0, 3.0], above=0)
    half = 4.302652729911275 * 1 / 3**0.5  # the t table's 97.5 % for two degrees of freedom
    assert (check.estimate, check.low, check.high) == pytest.approx((2, 2 - half, 2 + half))


def test_splits_take_percentiles_since_they_are_not_independent():
    values = np.arange(101.0)
    check = claims.trend("w", values, above=0, over="splits")
    assert (check.low, check.high) == (2.5, 97.5)
    assert claims.trend("w", values, above=0).low > check.low


@pytest.mark.parametrize(
    ("true", "n", "low"), [(5, 5, 0.4782), (6, 6, 0.5407), (0, 10, 0.0), (7, 10, 0.3475)]
)
def test_a_share_takes_the_exact_binomial_interval(true, n, low):
    check = claims.trend("share", [True] * true + [False] * (n - true), above=0.5)
    assert check.estimate == true / n and check.low == pytest.approx(low, abs=1e-4)
    other = claims.trend("share", [False] * true + [True] * (n - true), above=0.5)
    assert other.high == pytest.approx(1 - low, abs=1e-4)


def test_one_number_for_each_is_needed():
    assert claims.same("w", np.full(4, 2, dtype=np.int64), within=(1, 3)).true is True
    for bad in (np.ones((2, 2)), 3.0):
        with pytest.raises(ValueError, match="one number for each of the pairs"):
            claims.trend("w", bad, above=0, over="pairs")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "give one of the bounds above, below; 0 are given"),
        ({"above": 0, "below": 1}, "2 are given"),
        ({"above": math.nan}, "above is nan; pass a finite number"),
        ({"above": "0.1 or so"}, "pass a finite number"),
        ({"above": 0, "over": "seed"}, "did you mean 'seeds'"),
        ({"above": 0, "values": [1.0]}, "values has 1 seeds; an interval takes 2 or more"),
        ({"above": 0, "values": []}, "values has 0 seeds"),
        ({"above": 0, "values": [1.0] * 19, "over": "splits"}, "19 splits; an interval takes 20"),
        ({"above": 0, "values": [1.0, math.nan]}, "NaN or infinite"),
        ({"above": 0, "values": [1.0, 2.0], "low": 1.0}, "give one of them"),
        ({"above": 0, "values": None}, "estimate is missing"),
        ({"above": 0, "values": None, "estimate": 1, "low": 0, "high": 2}, "n is missing"),
        ({"above": 0, "values": None, "estimate": 1, "low": 2, "high": 0, "n": 3}, "low is 2 and high is 0"),
        ({"above": 0, "values": None, "estimate": 1, "low": 0, "high": math.inf, "n": 3}, "high is inf"),
        ({"above": 0, "values": None, "estimate": 1, "low": 0, "high": 2, "n": 0}, "how many seeds"),
        ({"above": 0, "values": None, "estimate": 1, "low": 0, "high": 2, "n": 2.5}, "how many seeds"),
        ({"above": 0, "words": " "}, "say in words"),
        ({"above": 0, "words": 3}, "say in words"),
    ],
)
def test_a_trend_says_what_it_lacks(arguments, words):
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        claims.trend(**{"words": "w", "values": [1.0, 2.0], **arguments})


@pytest.mark.parametrize(
    ("within", "words"),
    [
        (0.3, "two numbers"),
        ((0.3,), "two numbers"),
        ((0.3, -0.3), "the lower first"),
        ((0.3, 0.3), "the lower first"),
        ((math.nan, 1), "two numbers"),
        (("a", "b"), "two numbers"),
        ((-math.inf, math.inf), "excludes nothing"),
    ],
)
def test_a_bound_that_bounds_nothing_is_refused(within, words):
    with pytest.raises(ValueError, match=words):
        claims.same("w", [1.0, 2.0], within=within)


def test_words_are_no_numbers():
    with pytest.raises(TypeError, match="pass numbers"):
        claims.trend("w", ["1", "2"], above=0)
    with pytest.raises(TypeError, match="pass numbers"):
        claims.exact("w", "four", equals=4)


@pytest.mark.parametrize(
    ("value", "bound", "true"),
    [
        (True, {}, True),
        (np.bool_(False), {}, False),
        ([True, False], {}, False),
        (2, {"equals": 2}, True),
        (2.1, {"equals": 2}, False),
        (2, {"above": 2}, False),
        (1.9, {"below": 2}, True),
        ([1, 2, 3], {"above": 0}, True),
        ([1, -2, 3], {"above": 0}, False),
        (np.float32(0.5), {"within": (0.5, 1)}, True),
        ([0.9, 1.1], {"within": (0.95, math.inf)}, False),
    ],
)
def test_an_exact_check_is_so_or_not_so(value, bound, true):
    check = claims.exact("w", value, **bound)
    assert check.true is true and check.n == np.size(value) and check.over == "cases"


@pytest.mark.parametrize(
    ("value", "bound", "words"),
    [
        (True, {"above": 0}, "pass the number that is compared"),
        (1.0, {}, "0 are given"),
        (1.0, {"above": 0, "equals": 1}, "2 are given"),
        (math.nan, {"above": 0}, "NaN or infinite"),
        ([], {"above": 0}, "nothing was checked"),
        (np.zeros(0, bool), {}, "nothing was checked"),
    ],
)
def test_an_exact_check_says_what_it_lacks(value, bound, words):
    with pytest.raises(ValueError, match=words):
        claims.exact("w", value, **bound)


@pytest.mark.parametrize(
    ("check", "found"),
    [
        (OPEN, "0.1 (-1 to 2), 5 seeds; must be above 0"),
        (claims.exact("w", [1.5, 2.5], within=(1, math.inf)), "1.5 to 2.5 in 2 cases; must be at least 1"),
        (claims.exact("w", 3, within=(-math.inf, 2)), "3; must be at most 2"),
        (claims.exact("w", 3, within=(2, 4)), "3; must be within 2 to 4"),
        (claims.exact("w", 3, equals=4), "3; must be 4"),
        (
            claims.exact("w", [0.0, 0.31285], within=(0, 0.51)),
            "0 to 0.313 in 2 cases; must be within 0 to 0.51",
        ),
        (claims.exact("w", 15.5401, within=(15.53, 15.55)), "15.54; must be within 15.53 to 15.55"),
        (claims.exact("w", 1.00002, below=1.1), "1.00; must be below 1.1"),
        (claims.exact("w", 1.00002, below=1.0001), "1.00002; must be below 1.0001"),
        (claims.exact("w", [12345, 4.44089e-16], above=-1), "4.44e-16 to 12345 in 2 cases; must be above -1"),
        (YES, ""),
    ],
)
def test_what_was_found_is_told_with_its_bound(check, found):
    assert check.found == found


def test_a_check_is_kept_as_json_without_infinities():
    for check in (YES, OPEN, claims.exact("w", np.float32(3), within=(2, math.inf))):
        text = json.dumps(check.row(), allow_nan=False)
        assert json.loads(text)["answer"] == check.answer
    assert check.row()["bound"] == [2.0, None]


@pytest.mark.parametrize(
    ("checks", "verdict", "on_an_analogue"),
    [
        ([], "not tested here", "not tested here"),
        ([YES], "holds", "holds on an analogue"),
        ([YES, NO], "partly", "partly on an analogue"),
        ([YES, OPEN], "partly", "partly on an analogue"),
        ([NO, NO], "fails", "not reproduced on an analogue"),
        ([NO, OPEN], "fails", "not reproduced on an analogue"),
        ([OPEN], "undecided", "undecided on an analogue"),
    ],
)
def test_the_verdict_follows_from_the_checks(checks, verdict, on_an_analogue):
    assert claims.record("E5", checks=checks, **ROW) == verdict
    assert claims.record("E5", checks=tuple(checks), analogue=True, note="shapes", **ROW) == on_an_analogue


@settings(deadline=None)
@given(st.lists(st.sampled_from([YES, NO, OPEN]), max_size=5), st.booleans())
def test_the_order_of_the_checks_does_not_matter_and_one_more_yes_never_hurts(checks, analogue):
    def verdict(checks):
        return claims._verdict([check.true for check in checks], analogue)

    ranks = ["not tested here", "not reproduced", "fails", "undecided", "partly", "holds"]
    ranks = {word: rank for rank, word in enumerate(ranks)}

    def rank(verdict):
        return ranks[verdict.removesuffix(" on an analogue")]

    assert verdict(checks) == verdict(checks[::-1])
    assert rank(verdict([*checks, YES])) >= rank(verdict(checks))
    assert ("analogue" in verdict(checks)) == (analogue and bool(checks))


@pytest.mark.parametrize(
    ("checks", "status"),
    [
        ([YES], "answered"),
        ([YES, NO], "answered"),
        ([NO], "answered"),
        ([YES, OPEN], "undecided"),
        ([], "not tested here"),
    ],
)
def test_a_question_has_no_verdict(checks, status):
    row = {**ROW, "where": ""}
    assert claims.record("X.a", kind="question", checks=checks, **row) == status


def test_a_slip_must_be_shown():
    assert claims.record("E5.slip", kind="slip", checks=[YES], **ROW) == "slip in print"
    for checks in ([], [YES, NO], [OPEN]):
        with pytest.raises(ValueError, match="a slip must be shown"):
            claims.record("E5.slip", kind="slip", checks=checks, **ROW)


@pytest.mark.parametrize("kind", ["claim", "slip"])
@pytest.mark.parametrize("where", ["", " "])
def test_what_is_printed_says_where(kind, where):
    with pytest.raises(ValueError, match="where is empty; name the figure, table"):
        claims.record("E5", kind=kind, checks=[YES], **{**ROW, "where": where})


def test_an_analogue_is_a_claims_and_says_of_what():
    with pytest.raises(ValueError, match="what stands in"):
        claims.record("E9", analogue=True, checks=[YES], note=" ", **ROW)
    with pytest.raises(ValueError, match="a question has no verdict"):
        claims.record("E9", analogue=True, kind="question", checks=[YES], note="shapes", **ROW)


@pytest.mark.parametrize("checks", [{"falls": True}, {}, [True], ["falls"], [YES, ("rises", False)]])
def test_bare_trues_and_falses_are_refused(checks):
    with pytest.raises(TypeError, match="make each with claims.trend, claims.same or claims.exact"):
        claims.record("E5", checks=checks, **ROW)


def test_what_is_so_and_what_is_not_and_the_note_are_told_apart(capsys):
    claims.record("E5", checks=[YES, NO, OPEN], note="since n is small", **ROW)
    assert capsys.readouterr().out.splitlines() == [
        "E5 partly: s",
        "  of: Liang et al. 2022, Figure 3",
        "  paper: no number",
        "  here: 1 (real)",
        "  note: since n is small",
        "  yes: falls",
        "  no: rises",
        "  undecided: moves: 0.1 (-1 to 2), 5 seeds; must be above 0",
    ]


def test_a_question_is_about_a_paper_and_not_of_it(capsys):
    claims.record("X.a", kind="question", checks=[YES], **ROW)
    assert "about: Liang et al. 2022, Figure 3" in capsys.readouterr().out
    claims.record("X.a", kind="question", checks=[YES], **{**ROW, "where": ""})
    assert "Liang" not in capsys.readouterr().out


def test_a_slip_tells_what_is_printed_and_what_is_right(capsys):
    claims.record("E5.slip", kind="slip", checks=[YES], **{**ROW, "paper": "1/2"})
    printed = capsys.readouterr().out
    assert "printed: 1/2" in printed and "right: 1 (real)" in printed


@pytest.mark.parametrize(
    "id", ["E5", "E3b", "E13", "E6.cifar", "F12", "Thm1", "Thm3.2", "Lemma3.1", "AppC", "X.post_hoc"]
)
def test_ids_of_the_papers_are_known(id):
    assert claims.record(id, checks=[YES], **ROW) == "holds"


@pytest.mark.parametrize("id", ["E14", "F3", "Theorem1", "X.", "e5", ""])
def test_an_unknown_id_is_refused(id):
    with pytest.raises(ValueError, match="unknown claim id"):
        claims.record(id, checks=[YES], **ROW)


@pytest.mark.parametrize(("key", "value"), [("source", "liang"), ("data", "reals"), ("kind", "claims")])
def test_an_unknown_word_is_refused_with_the_nearest(key, value):
    with pytest.raises(ValueError, match="did you mean"):
        claims.record("E5", checks=[YES], **{**ROW, key: value})


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_only_finite_numbers_can_be_quoted(value):
    with pytest.raises(ValueError, match="finite"):
        claims.glue("page-x", value)


@pytest.mark.parametrize(
    ("shapes", "emoji", "verdict", "worlds"),
    [
        ([YES], [YES], "holds", "(holds on shapes, holds on emoji)"),
        ([YES], [NO], "partly", "(holds on shapes, fails on emoji)"),
        ([YES, NO], [OPEN], "partly", "(partly on shapes, undecided on emoji)"),
        ([NO], [NO], "fails", "(fails on shapes, fails on emoji)"),
    ],
)
def test_a_claim_of_two_worlds_says_what_each_gives(capsys, shapes, emoji, verdict, worlds):
    assert claims.record("E6", **ROW, checks=shapes, emoji=emoji) == verdict
    told = capsys.readouterr().out
    assert f"E6 {verdict} {worlds}" in told and "shapes: " in told and "emoji: " in told
