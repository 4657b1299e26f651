"""The command line: what it prints, what it writes, its exit status, and no traceback for any bad file."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mgaplib.__main__ import main


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    meaning, offset = rng.normal(size=(80, 8)), 2 * np.eye(8)[0]
    for name, sign in (("images", 1), ("texts", -1)):
        rows = meaning + 0.3 * rng.normal(size=(80, 8)) + sign * offset
        np.save(tmp_path / f"{name}.npy", rows.astype(np.float32))
    return [str(tmp_path / f"{name}.npy") for name in ("images", "texts")]


def test_a_report_is_printed_and_written(files, tmp_path, capsys):
    assert main(["report", *files, "-o", str(tmp_path / "out.html"), "--score", "0.5"]) == 0
    out, err = capsys.readouterr()
    assert "modality_gap" in out and "Your cosine of 0.5" in out and "Centring" in out
    assert not err
    assert (tmp_path / "out.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["images.npy", "out.html", "texts.npy"]


def test_json_alone_on_standard_output(files, capsys, monkeypatch):
    monkeypatch.delenv("MGAPLIB_STATIC", raising=False)
    assert main(["report", *files, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["pairs"] == 80
    assert "try corrections" in err  # the progress bar


def test_progress_on_standard_output(files, capsys, monkeypatch):
    monkeypatch.delenv("MGAPLIB_STATIC", raising=False)
    assert main(["report", *files]) == 0
    out, err = capsys.readouterr()
    assert "try corrections" in out and not err


def test_two_sets_are_compared_in_pools_of_one_size(files, tmp_path, capsys):
    images, texts = map(np.load, files)
    np.save(tmp_path / "a.npy", np.stack([images, texts]))
    np.save(tmp_path / "b.npy", np.stack([images, images + 0.1])[:, :50])
    names = [str(tmp_path / name) for name in ("a.npy", "b.npy")]
    assert main(["compare", *names]) == 0
    assert "50 pairs of each" in capsys.readouterr().out
    assert main(["compare", *names, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    row = found["metrics"]["modality_gap"]
    assert found["pairs"] == 50
    assert row["difference"] == row[names[1]] - row[names[0]] < 0


def bad_commands(files, folder):
    images, texts = files
    np.save(folder / "short.npy", np.load(texts)[:5])
    np.save(folder / "whole.npy", np.arange(10).reshape(5, 2))
    pq.write_table(pa.table({"image": pa.array([], pa.list_(pa.float32()))}), folder / "empty.parquet")
    (folder / "garbled.npy").write_bytes(Path(images).read_bytes().replace(b"'descr'", b"'des\\\\r'", 1))
    (folder / "page.npy").write_text("<!doctype html>not found")
    np.savez(folder / "alone.npz", a=np.load(images))
    broken = bytearray((folder / "alone.npz").read_bytes())
    broken[len(broken) // 2] ^= 0xFF
    (folder / "alone.npz").write_bytes(broken)
    (folder / "noise.npz").write_bytes(b"not a zip")
    (folder / "noise.parquet").write_bytes(b"PAR1 and no more")
    (folder / "noise.safetensors").write_bytes(b"\xff" * 40)
    return [
        (["report", images, str(folder / "none.npy")], "there is no file"),
        (["report", images, str(folder / "short.npy")], "paired"),
        (["report", images, str(folder / "whole.npy")], "int64"),
        (["report", str(folder / "empty.parquet"), texts], "has no rows"),
        (["report", str(folder / "garbled.npy"), texts], "garbled.npy is damaged"),
        (["report", images, texts, "--seed", "-1"], "seed is -1; pass a whole number"),
        (["report", images, texts, "--score", "nan"], "score is nan; pass a cosine"),
        (["compare", str(folder / "both.npz"), str(folder / "." / "both.npz")], "two files"),
        (["compare", str(folder / "both.npz"), str(folder / "other.npz"), "--max-pairs", "2"], "at least 4"),
        (["report", str(folder / "noise.npz"), texts], "noise.npz"),
        (["report", str(folder / "noise.parquet"), texts], "noise.parquet"),
        (["report", str(folder / "noise.safetensors"), texts], "noise.safetensors"),
        (["report", images], "one modality is missing"),
        (["report"], "name the files"),
        (["report", images, texts, "-o", str(folder / "no" / "out.html")], "no folder"),
        (["report", images, texts, "-o", str(folder)], "is a folder; name a file"),
        (["report", images, texts, "-o", texts], "would take the place of"),
        (["report", str(folder / "page.npy"), texts], "page.npy is no .npy file but a web page"),
        (["report", str(folder / "alone.npz")], "alone.npz is damaged"),
        (["report", images + "::images"], "names one array"),
        (["report", images, texts, "--tau", "-1"], "temperature"),
        (["report", images, texts, "--rate", "2"], "share such as"),
        (["report", images, texts, "--max-pairs", "0"], "at least 24"),
        (["report", images, texts, "--model", "ViT-B-32"], "--pairs"),
        (["report", "--pairs", str(folder)], "--model"),
        (["report", "--pairs", str(folder), "--model", "ViT-B-32"], "captions.csv"),
        (["report", images, texts, "--pairs", str(folder)], "not both"),
        (["compare", images, texts], "one modality is missing"),
        (["compare", images, images], "two files"),
        (["repotr"], "invalid choice"),
        ([], "required"),
        (["report", images, texts, "--tau", "warm"], "invalid float"),
    ]


def test_whatever_is_wrong_is_said_in_a_line_and_nothing_is_written(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MGAPLIB_STATIC", "1")  # no progress bar before the error
    for command, words in bad_commands(files, tmp_path):
        before = sorted(tmp_path.iterdir())
        assert main(command) == 2, command
        out, err = capsys.readouterr()
        assert words in err, command
        assert "Traceback" not in err and not out, command
        assert sorted(tmp_path.iterdir()) == before


def test_a_page_that_cannot_be_made_leaves_the_old_one(files, tmp_path, monkeypatch, capsys):
    from mgaplib.report import page as page_module

    page = tmp_path / "out.html"
    page.write_text("old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(page_module, "page", fail)
    assert main(["report", *files, "-o", str(page)]) == 2
    assert page.read_text() == "old"


def test_help_and_the_module_itself(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "mgaplib", "report", "none.npy"], capture_output=True, text=True, cwd=tmp_path
    )
    assert run.returncode == 2
    assert run.stderr == "mgaplib: there is no file 'none.npy'\n"
    assert main(["report", "--help"]) == 0


def test_a_folder_of_pictures(tmp_path, capsys):
    from PIL import Image

    from mgaplib.worlds import shapeworld

    world = shapeworld.draw(30, size=24)
    lines = ["image,caption"]
    for i, (picture, caption) in enumerate(zip(world.images, world.captions, strict=True)):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,{caption}")
    (tmp_path / "captions.csv").write_text("\n".join(lines))
    page = tmp_path / "out.html"
    assert main(["report", "--pairs", str(tmp_path), "--model", "MiniCLIP-24", "-o", str(page)]) == 0
    assert world.captions[3] in page.read_text(encoding="utf-8")
    assert main(["report", "--pairs", str(tmp_path), "--model", "MiniCLIP-25"]) == 2
    assert "did you mean" in capsys.readouterr().err
