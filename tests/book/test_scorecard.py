"""What the scorecard makes of the rows that the chapters recorded."""

import json
import sys
from pathlib import Path

import jsonschema
import pytest

from mgaplib.book import claims

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "_ext"))
import scorecard_rows as scorecard  # noqa: E402

YES, NO = claims.exact("so", True), claims.exact("not so", False)
WIDE = claims.trend("rises", [-1.0, 1.0], above=0)


def row(
    id="E5", *, kind="claim", where="Figure 3", source="liang2022", checks=(YES,), analogue=False, changed=""
):
    """A row as the scorecard reads it from an executed chapter."""
    verdict = claims._verdict([check.true for check in checks], analogue)
    status = {"claim": verdict, "question": "answered", "slip": "slip in print"}[kind]
    found = {
        "id": id,
        "kind": kind,
        "where": where,
        "source": source,
        "analogue": analogue,
        "changed": changed,
    }
    return found | {"status": status, "checks": [check.row() for check in checks], "chapter": "chapters/page"}


def test_claims_are_ordered_as_the_papers_number_them():
    field, yaras, liang = ["X.a", "F7.all_rows"], ["AppC", "Thm3.2", "F12.swaps", "F2"], ["Thm1", "E10", "E2"]
    ids = {"field": field, "yaras2025": yaras, "liang2022": liang + ["E2.real"]}
    rows = [(id, source) for source, group in ids.items() for id in group]
    ordered = sorted(({"id": id, "source": source} for id, source in rows), key=scorecard.order)
    assert [row["id"] for row in ordered] == [
        "E2", "E2.real", "E10", "Thm1", "F2", "F12.swaps", "Thm3.2", "AppC", "F7.all_rows", "X.a",
    ]  # fmt: skip


def test_published_claims_stand_by_source_and_the_rest_apart():
    assert scorecard.section(row(source="yaras2025")) == "yaras2025"
    assert scorecard.section(row(kind="question")) == "questions"
    assert scorecard.section(row(kind="slip")) == "slips"
    assert set(scorecard.SOURCES) == set(claims._SOURCES)


def test_one_printed_result_has_one_claim():
    twice = [row("E5"), row("E5.real", where="figure  3"), row("E6", where="Figure 4")]
    [problem] = scorecard.printed_twice(twice)
    assert problem.startswith("claims E5, E5.real of liang2022 are all printed in Figure 3")
    apart = [
        row("E5", where="Figure 3, left"),
        row("E5.real", where="Figure 3, right"),
        row("F1", source="yaras2025", where="Figure 3, left"),
        row("E5.own", kind="question", where="Figure 3, left"),
        row("E5.slip", kind="slip", where="Figure 3, left"),
    ]
    assert scorecard.printed_twice(apart) == []


def test_claims_of_both_worlds_are_counted_by_world():
    def two(id, shapes, emoji):
        return row(id) | {"worlds": {"shapes": shapes, "emoji": emoji}}

    rows = [
        row("E5"),
        two("E6", "holds", "holds"),
        two("E8", "partly", "holds"),
        two("F1", "fails", "partly"),
    ]
    rows.append(two("X.a", "holds", "holds") | {"kind": "question"})
    told = scorecard.on_both_worlds(rows)
    assert told == (
        "Of 3 claims tested on both worlds, 1 hold on both. on both: E6; on emoji only: E8; on neither: F1."
    )
    assert scorecard.on_both_worlds(rows[:1]) == "No claim was tested on both worlds."


@pytest.mark.parametrize(
    ("where", "source", "kind", "short"),
    [
        ("supplementary Figure 6, real inputs", "liang2022", "claim", "Liang suppl. Fig. 6"),
        ("Figure 3 (b-d), released code", "liang2022", "slip", "Liang Fig. 3"),
        ("Theorem 3.2", "yaras2025", "claim", "Yaras Theorem 3.2"),
        ("Eslami and de Melo 2025, abstract", "field", "claim", "Eslami and de Melo 2025"),
        ("Table 1", "yaras2025", "question", "our question"),
    ],
)
def test_a_cell_of_the_picture_says_in_short_whose_claim_it_is(where, source, kind, short):
    assert scorecard.in_short(row(where=where, source=source, kind=kind)) == short


@pytest.mark.parametrize(
    ("checks", "told"),
    [
        ([YES] * 16, "16 checks, all yes"),
        ([NO] * 7, "7 checks, all no"),
        ([YES, WIDE, NO, YES], "4 checks: 2 yes, 1 no, 1 undecided"),
    ],
)
def test_many_checks_are_told_in_numbers(checks, told):
    assert scorecard.in_numbers(row(checks=checks)["checks"]) == told


def test_every_verdict_has_a_letter_of_its_own():
    assert len(set(scorecard.STATUSES.values())) == len(scorecard.STATUSES)


def test_what_did_not_change_is_not_listed():
    found, wrong = scorecard.changes([row()], {"E5": {"verdict": "holds"}})
    assert wrong == [] and not any(found.values())


def test_a_verdict_on_published_data_is_not_held_against_that_on_a_stand_in():
    before = {"E5": {"verdict": "holds", "data": "real"}}
    assert scorecard.changes([row(checks=[WIDE]) | {"data": "miniclip"}], before)[1] == []
    assert len(scorecard.changes([row(checks=[WIDE]) | {"data": "real"}], before)[1]) == 1


def test_a_changed_verdict_is_listed_with_its_reason():
    now = row(checks=[WIDE], changed="its interval contains zero")
    found, wrong = scorecard.changes([now], {"E5": {"verdict": "holds"}})
    assert wrong == []
    assert found["verdicts"] == [
        {"id": "E5", "before": "holds", "now": "undecided", "why": "its interval contains zero"}
    ]


@pytest.mark.parametrize("kind", ["claim", "question"])
def test_a_changed_verdict_without_a_reason_is_wrong(kind):
    _, [problem] = scorecard.changes([row(kind=kind, checks=[WIDE])], {"E5": {"verdict": "holds"}})
    assert "claim E5 was 'holds'" in problem and "chapters/page" in problem


@pytest.mark.parametrize(
    ("checks", "before"),
    [([YES], "holds"), ([YES, NO], "partly"), ([NO], "fails"), ([], "not tested here")],
)
def test_a_change_of_the_label_alone_needs_no_reason(checks, before):
    rows = [row("E5", checks=checks, analogue=True), row("X.a", kind="question", checks=checks)]
    found, wrong = scorecard.changes(rows, {"E5": {"verdict": before}, "X.a": {"verdict": before}})
    assert wrong == []
    assert (found["analogues"], found["questions"], found["verdicts"]) == (["E5"], ["X.a"], [])


def test_a_lowered_verdict_that_is_lowered_no_more_needs_a_reason():
    _, [problem] = scorecard.changes([row(analogue=True)], {"E5": {"verdict": "partly"}})
    assert "'partly' and is now 'holds on an analogue'" in problem


def test_a_slip_is_listed_as_one_whatever_it_was():
    found, wrong = scorecard.changes([row(kind="slip")], {"E5": {"verdict": "fails"}})
    assert wrong == [] and found["slips"] == ["E5"]


def test_an_id_vanishes_only_with_a_reason():
    retired = {"E5": {"verdict": "holds", "retired": "merged into E6"}}
    found, wrong = scorecard.changes([], retired)
    assert wrong == []
    assert found["verdicts"] == [{"id": "E5", "before": "holds", "now": None, "why": "merged into E6"}]
    _, [problem] = scorecard.changes([], {"E5": {"verdict": "holds"}})
    assert "claim E5 was recorded before and has vanished" in problem
    _, [problem] = scorecard.changes([row()], retired)
    assert "claim E5 is retired, and chapters/page records it" in problem


def test_changes_are_ordered_as_the_papers_number_them():
    rows = [row(id, changed="checked again") for id in ("E10", "E2", "Thm1")]
    found, _ = scorecard.changes(rows, {one["id"]: {"verdict": "partly"} for one in rows})
    assert [change["id"] for change in found["verdicts"]] == ["E2", "E10", "Thm1"]


def test_new_ids_are_listed():
    found, wrong = scorecard.changes([row("E5"), row("E6")], {"E5": {"verdict": "holds"}})
    assert wrong == [] and found["new"] == ["E6"]


def test_the_verdicts_of_the_last_release_are_whole():
    before = json.loads((ROOT / "_ext/verdicts_0.1.json").read_text())
    assert len(before) == 90
    assert {was["verdict"] for was in before.values()} == {"holds", "partly", "fails", "not tested here"}
    assert all(set(was) <= {"verdict", "retired", "data"} and all(was.values()) for was in before.values())


def test_the_schema_is_one_and_refuses_a_question_with_a_verdict():
    schema = json.loads((ROOT / "docs/scorecard.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    whole = row(kind="question") | {
        "statement": "s", "paper": None, "here": 1, "data": "theory", "verdict": None, "note": "",
        "worlds": {},
        "link": "chapters/page.html#claim-e5",
    }  # fmt: skip
    one = {"$ref": "#/$defs/claim", "$defs": schema["$defs"]}
    jsonschema.validate(whole, one)
    for wrong in (
        {"verdict": "holds"},
        {"status": "holds"},
        {"kind": "guess"},
        {"checks": [{}]},
        {"seeds": 3},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(whole | wrong, one)
