"""A claim's verdict follows from its checks."""

import math

import pytest

from mgaplib.book import claims

ROW = dict(source="liang2022", statement="s", paper=None, here=1, data="real", seeds=1)


@pytest.mark.parametrize(
    ("checks", "verdict"),
    [
        ({}, "not tested here"),
        ({"a": True}, "holds"),
        ({"a": True, "b": False}, "partly"),
        ({"a": False, "b": False}, "fails"),
    ],
)
def test_the_verdict_follows_from_the_checks(checks, verdict):
    assert claims.record("E5", checks=checks, **ROW) == verdict


def test_an_analogue_never_holds():
    assert claims.record("E9", checks={"a": True}, at_most="partly", note="shapes", **ROW) == "partly"
    assert claims.record("E9", checks={"a": False}, at_most="partly", **ROW) == "fails"


@pytest.mark.parametrize("note", ["", " "])
def test_a_verdict_is_not_lowered_without_a_reason(note):
    with pytest.raises(ValueError, match="give a note"):
        claims.record("E9", checks={"a": True}, at_most="partly", note=note, **ROW)
    assert claims.record("E9", checks={"a": True, "b": False}, at_most="partly", note=note, **ROW) == "partly"


def test_what_fails_is_printed(capsys):
    claims.record("E5", checks={"falls": True, "rises": False}, note="since n is small", **ROW)
    assert "Not so: rises. since n is small" in capsys.readouterr().out


@pytest.mark.parametrize(
    "id", ["E5", "E3b", "E13", "E6.cifar", "F12", "Thm1", "Thm3.2", "Lemma3.1", "AppC", "X.post_hoc"]
)
def test_ids_of_the_papers_are_known(id):
    assert claims.record(id, checks={"a": True}, **ROW) == "holds"


@pytest.mark.parametrize("id", ["E14", "F3", "Theorem1", "X.", "e5", ""])
def test_an_unknown_id_is_refused(id):
    with pytest.raises(ValueError, match="unknown claim id"):
        claims.record(id, checks={"a": True}, **ROW)


@pytest.mark.parametrize(("key", "value"), [("source", "liang"), ("data", "reals")])
def test_an_unknown_word_is_refused_with_the_nearest(key, value):
    with pytest.raises(ValueError, match="did you mean"):
        claims.record("E5", checks={"a": True}, **{**ROW, key: value})


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_only_finite_numbers_can_be_quoted(value):
    with pytest.raises(ValueError, match="finite"):
        claims.glue("page-x", value)
