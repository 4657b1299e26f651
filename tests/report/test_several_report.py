"""The report of three modalities: its numbers are the metrics, its words follow, its page is whole."""

import json

import numpy as np
import pandas as pd
import pytest

from mgaplib import metrics, report
from mgaplib.__main__ import main

NAMES = ["image", "text", "audio"]


def three(n: int = 60, d: int = 8, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    meaning = rng.normal(size=(n, d))
    return {name: meaning + rng.normal(size=(n, d)) / 3 + rng.normal(size=d) for name in NAMES}


@pytest.fixture
def files(tmp_path):
    for name, rows in three().items():
        np.save(tmp_path / f"{name}.npy", rows)
    return [str(tmp_path / f"{name}.npy") for name in NAMES]


def test_the_numbers_are_the_metrics():
    sets, found = three(), report.measure_several(three())
    assert found.names == NAMES and (found.rows, found.measured, found.dimensions) == (60, 60, 8)
    for name, metric in [
        ("modality_gap", metrics.modality_gap),
        ("relative_modality_gap", metrics.relative_modality_gap),
        ("centre_angle", metrics.centre_angle),
        ("recall_at_1", metrics.recall_at_k),
    ]:
        pd.testing.assert_frame_equal(found.tables[name], metrics.pairwise(sets, metric))
    unit = {name: rows / np.linalg.norm(rows, axis=1, keepdims=True) for name, rows in sets.items()}
    scores, apart = unit["text"] @ unit["audio"].T, ~np.eye(60, dtype=bool)
    assert found.tables["matched_cosine"].loc["text", "audio"] == pytest.approx(np.diag(scores).mean())
    assert found.tables["stranger_cosine"].loc["text", "audio"] == pytest.approx(scores[apart].mean())
    assert found.tables["stranger_cosine"].loc["text", "text"] == pytest.approx(
        metrics.mean_cosine(sets["text"])
    )


def test_the_words_name_the_widest_and_the_narrowest():
    found = report.measure_several(three())
    gaps = found.tables["modality_gap"].stack().dropna()
    words = found.reading[0]
    assert f"{gaps.max():.2f} long" in words and words.endswith(f"{gaps.min():.2f}.")
    assert all(name in found.reading[2] for name in NAMES)
    two = report.measure_several({name: three()[name] for name in NAMES[:2]})
    assert "narrowest" not in two.reading[0]


def test_of_many_rows_the_same_are_drawn_of_each():
    sets = three(n=500)
    found = report.measure_several(sets, max_rows=50, seed=3)
    rows = np.sort(np.random.default_rng(3).choice(500, 50, replace=False))
    assert (found.rows, found.measured) == (500, 50)
    drawn = {name: x[rows] for name, x in sets.items()}
    pd.testing.assert_frame_equal(found.tables["modality_gap"], metrics.pairwise(drawn))
    tables = {name: pd.DataFrame(x, index=np.arange(500)[::-1]) for name, x in sets.items()}
    again = report.measure_several(tables, max_rows=50, seed=3)
    pd.testing.assert_frame_equal(found.tables["modality_gap"], again.tables["modality_gap"])


def test_the_dict_is_json_without_holes():
    found = json.loads(json.dumps(report.measure_several(three()).to_dict(), allow_nan=False))
    assert set(found["modality_gap"]["image"]) == {"text", "audio"}
    assert found["modalities"] == NAMES


@pytest.mark.parametrize(
    ("sets", "options", "error", "match"),
    [
        ([np.eye(5)] * 3, {}, TypeError, "sets is of type list"),
        ({"a": np.eye(5), "b": np.eye(5)[:4]}, {}, ValueError, "differ in shape"),
        ({"a": np.eye(3), "b": np.eye(3)}, {}, ValueError, "a has 3 rows; at least 4"),
        (three(), {"max_rows": 2}, ValueError, "max_rows is 2"),
        (three(), {"seed": -1}, ValueError, "seed is -1"),
    ],
)
def test_what_makes_no_sense_is_refused(sets, options, error, match):
    with pytest.raises(error, match=match):
        report.measure_several(sets, **options)


def test_the_command_line_writes_one_page_for_all(files, tmp_path, capsys):
    page = tmp_path / "out.html"
    assert main(["report", *files, "--names", "image, text,audio", "-o", str(page)]) == 0
    out, err = capsys.readouterr()
    assert "The widest gap is that of" in out and str(page) in out and not err
    written = page.read_text(encoding="utf-8")
    assert written.startswith("<!doctype html>") and written.count("<section>") == 7
    assert main(["report", *files, "--json", "--max-pairs", "20"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["modalities"], found["rows"], found["measured"]) == (NAMES, 60, 20)  # named by their files


def test_what_the_command_line_refuses(files, tmp_path, capsys):
    np.save(tmp_path / "short.npy", np.eye(8))
    for command, words in [
        ([*files, "--names", "image,text"], "--names names 2 modalities and there are 3 files"),
        ([*files, "--names", "image,text,image"], "the name 'image' stands there twice"),
        ([*files, "--names", "image,,audio"], "a modality's name is empty"),
        ([*files[:2], "--names", "image"], "names is ('image',); pass what the two modalities are called"),
        ([*files[:2], str(tmp_path / "short.npy")], "short (8, 8)"),
        ([*files, "--score", "0.3"], "--score and --tau are of two modalities"),
        ([*files, "-o", files[2]], "would take the place of"),
        ([*files, str(tmp_path / "none.npy")], "there is no file"),
    ]:
        assert main(["report", *command]) == 2, command
        out, err = capsys.readouterr()
        assert words in err and not out and "Traceback" not in err, (command, err)
