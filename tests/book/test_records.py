import json
import warnings
from importlib import resources

import pytest

from mgaplib.book import records


def test_every_record_says_where_it_comes_from():
    assert {"fixed_tau", "mismatched"} <= set(records.available())
    for id in records.available():
        record = records.load(id)
        assert record.runs and record.about
        made = record.provenance
        assert {"script", "commit", "date", "versions", "machine", "script_hash", "modules"} <= set(made)
        assert {"numpy", "torch"} <= set(made["versions"])
        assert all("seed" in run for run in record.runs) or id == "benchmarks"
        assert len(record.frame()) == len(record.runs)


def test_stale_records_are_reported():
    """A record is no failure when its sources have moved on, but nobody should have to ask."""
    old = {id: records.stale(id) for id in records.available()}
    for id, changed in old.items():
        if changed:
            script = records.load(id).provenance["script"]
            warnings.warn(
                f"the record {id} is stale, for {', '.join(changed)} changed: run python {script} --verify, "
                "or without --verify to run it anew",
                stacklevel=1,
            )


def test_records_stay_small():
    sizes = {
        f.name: len(f.read_bytes())
        for f in resources.files("mgaplib.results").iterdir()
        if f.name.endswith(".json")
    }
    assert max(sizes.values()) < 500_000


def test_a_change_of_code_makes_a_record_stale_and_a_comment_does_not(tmp_path, monkeypatch):
    assert records.stale("fixed_tau") is not None
    source = tmp_path / "a.py"
    source.write_text('"""Doc."""\n\ndef f(x):\n    """Doc."""\n    return x + 1\n')
    before = records.code_hash(source)
    source.write_text("# said otherwise\ndef f(x):\n\n    return x + 1  # why\n")
    assert records.code_hash(source) == before
    source.write_text("def f(x):\n    return x + 2\n")
    assert records.code_hash(source) != before
    assert records.code_hash(tmp_path / "none.py") == "missing"
    monkeypatch.setattr(records, "code_hash", lambda path: "other")
    assert "experiments/fixed_tau.py" in records.stale("fixed_tau")


def test_imports_are_followed_through_modules(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import numpy\nimport beside\nfrom mgaplib.book import plots\nplots.use_book_style()\n")
    (tmp_path / "beside.py").write_text("from mgaplib.training import train\n")
    found = records.imported_modules(script)
    assert {
        "mgaplib.training.loop",
        "mgaplib.models.clip",
        "mgaplib.models.miniclip",
        "mgaplib.worlds.shapeworld",
        "mgaplib.book.plots",
    } <= set(found)
    assert f"{tmp_path.name}/beside.py" in found
    assert not {
        "mgaplib.training",
        "mgaplib.training.swapping",
        "mgaplib.corrections",
        "mgaplib.checks",
    } & set(found)


def test_an_unknown_record_names_the_nearest():
    with pytest.raises(ValueError, match="unknown record 'fixedtau'; did you mean 'fixed_tau'"):
        records.load("fixedtau")


def test_records_are_plain_json():
    for file in resources.files("mgaplib.results").iterdir():
        if file.name.endswith(".json"):
            json.loads(file.read_text(encoding="utf-8"))
