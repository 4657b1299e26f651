"""The command line: what it prints, what it writes, its exit status, and no traceback for any bad file."""

import json
import os
import stat
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
    assert not err  # no terminal, no progress


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_progress_is_on_standard_error_and_on_a_terminal_only(files, capsys, monkeypatch, option):
    monkeypatch.delenv("MGAPLIB_STATIC", raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main(["report", *files, *option]) == 0
    out, err = capsys.readouterr()
    assert "try corrections" in err and "try corrections" not in out


def test_two_sets_are_compared_in_pools_of_one_size(files, tmp_path, capsys):
    images, texts = map(np.load, files)
    np.save(tmp_path / "a.npy", np.stack([images, texts]))
    np.save(tmp_path / "b.npy", np.stack([images, images + 0.1])[:, :50])
    names = [str(tmp_path / name) for name in ("a.npy", "b.npy")]
    assert main(["compare", *names]) == 0
    assert "50 pairs of each" in (short := capsys.readouterr().out)
    np.save(tmp_path / "c.npy", images[:50])
    np.save(tmp_path / "d.npy", (images + 0.1)[:50])
    apart = [*files, str(tmp_path / "c.npy"), str(tmp_path / "d.npy")]
    assert main(["compare", *apart, "--tau", "0.01"]) == 0  # two files a set are the same as one
    same = [
        [line.split()[-3:] for line in text.splitlines()[2:]] for text in (short, capsys.readouterr().out)
    ]
    assert same[0] == same[1]
    assert main(["compare", *names, "--tau", "1", "--json"]) == 0
    softer = json.loads(capsys.readouterr().out)["metrics"]
    assert main(["compare", *names, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    row = found["metrics"]["modality_gap"]
    assert found["pairs"] == 50
    assert softer["contrastive_loss"] != found["metrics"]["contrastive_loss"]
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
        (["compare", str(folder / "both.npz"), str(folder / "." / "both.npz")], "two sets"),
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
        (["compare", images, texts, images], "pass two, each with images and texts, or four"),
        (["compare", images, texts, images, texts], "two sets"),
        (["compare", images, texts, texts, images, "--tau", "100"], "--tau is 100, too high"),
        (["report", images, texts, "--tau", "4.6052"], "pass 0.01"),
        (["report", images, texts, "--json", "-o", "-"], "both write to standard output"),
        (["compare", images, images], "two sets"),
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


def run(*command, **options):
    return subprocess.run(
        [sys.executable, "-m", "mgaplib", *command], capture_output=True, text=True, **options
    )


def test_a_page_goes_into_a_pipe_or_through_a_link_and_replaces_neither(files, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with open(tmp_path / "read", "wb") as read, subprocess.Popen(["cat", tmp_path / "pipe"], stdout=read):
        assert main(["report", *files, "-o", str(tmp_path / "pipe")]) == 0
    assert (tmp_path / "read").read_text().startswith("<!doctype html>")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    (tmp_path / "there").mkdir()
    page = tmp_path / "there" / "page.html"
    page.write_text("old")
    page.chmod(0o640)
    (tmp_path / "link.html").symlink_to(page)
    (tmp_path / "new.html").symlink_to("there/new.html")  # leads to no file yet
    for name in ("link.html", "new.html"):
        assert main(["report", *files, "-o", str(tmp_path / name)]) == 0
        assert (tmp_path / name).is_symlink() and (tmp_path / name).read_text().startswith("<!doctype html>")
    assert stat.S_IMODE(page.stat().st_mode) == 0o640
    assert len(list((tmp_path / "there").iterdir())) == 2
    assert main(["report", *files, "-o", "/dev/null"]) == 0
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_the_page_alone_on_standard_output(files, name):
    done = run("report", *files, "-o", name)
    assert done.returncode == 0 and not done.stderr
    assert done.stdout.startswith("<!doctype html>") and done.stdout.endswith("</body></html>\n")


def test_a_reader_that_has_heard_enough_is_no_error(files, tmp_path):
    page = tmp_path / "page.html"
    for command in (["report", *files, "-o", str(page)], ["report", *files, "-o", "-"], ["report", "--help"]):
        with subprocess.Popen(
            [sys.executable, "-m", "mgaplib", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            process.stdout.close()
            assert process.stderr.read() == b"", command
        assert process.returncode == 0, command
    assert page.read_text().startswith("<!doctype html>")  # nobody listens, but the page is written


def test_a_full_disk_names_the_file_and_the_answer_is_printed(files):
    done = run("report", *files, "-o", "/dev/full")
    assert done.returncode == 2
    assert done.stdout.startswith("Report of 80 pairs")
    assert done.stderr == "mgaplib: /dev/full cannot be written: No space left on device\n"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mgaplib", "report", *files], stdout=full, stderr=-1, text=True
        )
    assert done.returncode == 2
    assert done.stderr == "mgaplib: standard output cannot be written: No space left on device\n"


def test_a_terminal_that_is_ascii_gets_the_rest_spelt_out(files, tmp_path):
    images = tmp_path / "für-τ.npy"
    images.write_bytes(Path(files[0]).read_bytes())
    for command in (["compare", str(images), files[1], files[1], files[0]], ["report", str(images)]):
        done = run(*command, env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
        assert "Traceback" not in done.stderr
        assert "f\\xfcr-\\u03c4" in done.stdout + done.stderr


def test_a_name_may_be_as_long_as_names_can_be(files, tmp_path):
    page = tmp_path / ("a" * 250 + ".html")
    assert main(["report", *files, "-o", str(page)]) == 0
    assert page.read_text().startswith("<!doctype html>")
    assert len(list(tmp_path.iterdir())) == 3


def test_too_little_memory_says_what_to_lower(files, capsys, monkeypatch):
    from mgaplib.report import report

    def fail(*_, **__):
        raise MemoryError("Unable to allocate 29.8 GiB")

    monkeypatch.setattr(report.metrics, "gap_report", fail)
    assert main(["report", *files, "--max-pairs", "70"]) == 2
    assert "Unable to allocate 29.8 GiB; lower --max-pairs, which is 70" in capsys.readouterr().err


# ---- who belongs to whom


@pytest.fixture
def captions(files, tmp_path):
    """The images, three texts each, and every way of saying so in a file."""
    images, texts = map(np.load, files)
    rng = np.random.default_rng(1)
    three = np.repeat(texts, 3, axis=0) + 0.1 * rng.normal(size=(240, 8)).astype(np.float32)
    of_texts = np.repeat(np.arange(80), 3)
    np.save(tmp_path / "three.npy", three)
    np.save(tmp_path / "again.npy", np.repeat(images, 3, axis=0))
    np.save(tmp_path / "numbers.npy", of_texts)
    (tmp_path / "numbers.txt").write_text("\n".join(map(str, of_texts)) + "\n")
    (tmp_path / "of_images.txt").write_text("".join(f"{i}.jpg\n" for i in range(80)))
    (tmp_path / "table.csv").write_text("image,caption\n" + "".join(f'{i}.jpg,"a, b"\n' for i in of_texts))
    (tmp_path / "table.tsv").write_text("caption\timage\n" + "".join(f"a, b\t{i}.jpg\n" for i in of_texts))
    return lambda name: str(tmp_path / name)


def test_groups_are_read_from_any_file(files, captions, capsys):
    images, three, again = files[0], captions("three.npy"), captions("again.npy")
    found = []
    for command in (
        [images, three, "--groups", captions("numbers.txt")],
        [images, three, "--groups", captions("numbers.npy")],
        [images, three, "--groups", captions("of_images.txt"), "--groups", captions("table.csv::image")],
        [again, three, "--groups", captions("table.tsv::image")],
        [again, three, "--groups", "equal"],
        [again, three],
    ):
        assert main(["report", *command, "--json"]) == 0, command
        out, err = capsys.readouterr()
        assert not err
        found.append(json.loads(out))
    for one in found:
        assert (one["pairs"], one["images"], one["texts"]) == (80, 80, 240)
        assert one["metrics"] == pytest.approx(found[0]["metrics"])
    assert {one["relation"] for one in found} == {"groups", "noticed"}
    assert main(["report", again, three]) == 0
    assert "Equal rows are taken as one" in capsys.readouterr().out


def test_unpaired_sets_are_reported_without_pairs(files, captions, capsys, tmp_path):
    page = tmp_path / "out.html"
    assert main(["report", files[0], captions("three.npy")]) == 0
    assert "80 images and 240 texts in 80 groups" in capsys.readouterr().out  # as their order tells
    np.save(tmp_path / "some.npy", np.load(captions("three.npy"))[:230])
    assert main(["report", files[0], str(tmp_path / "some.npy"), "-o", str(page)]) == 0
    assert "80 images and 230 texts without partners" in capsys.readouterr().out
    assert "taken as unpaired" in page.read_text(encoding="utf-8")
    assert main(["report", *files, "--unpaired", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["relation"] == "unpaired" and "alignment" not in found["metrics"]


def test_two_models_are_compared_by_group(files, captions, capsys, tmp_path):
    images, three = np.load(files[0]), np.load(captions("three.npy"))
    for name, noise in (("a", 0.0), ("b", 0.5)):
        texts = three + noise * np.random.default_rng(2).normal(size=three.shape)
        np.savez(tmp_path / f"{name}.npz", images=images, texts=texts)
    sets = [captions("a.npz"), captions("b.npz")]
    assert main(["compare", *sets, "--groups", captions("numbers.txt"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["groups"] == 80
    recall = found["metrics"]["recall_at_1 (image to text)"]
    assert recall[sets[0]] > recall[sets[1]]
    assert main(["compare", *sets]) == 2
    assert "paired" in capsys.readouterr().err


def test_groups_that_make_no_sense_are_named(files, captions, capsys, tmp_path):
    (tmp_path / "gap.txt").write_text("a\n\nb\n")
    (tmp_path / "short.txt").write_text("a\nb\n")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    np.save(tmp_path / "two.npy", np.zeros((3, 2), int))
    numbers = captions("numbers.txt")
    for options, words in (
        (["--groups", captions("gap.txt")], "line 2 of"),
        (["--groups", captions("short.txt")], "groups has 2 labels for the 80 rows of images"),
        (["--groups", captions("bytes.txt")], "no text in UTF-8"),
        (["--groups", captions("two.npy")], "has shape (3, 2); labels are one a row"),
        (["--groups", captions("nothing.txt")], "there is no file"),
        (["--groups", captions("table.csv::imag")], "did you mean 'image'"),
        (["--groups", numbers, "--unpaired"], "pass one"),
        (["--groups", numbers] * 1 + ["--groups", numbers, "--groups", numbers], "was given 3 times"),
    ):
        assert main(["report", *files, *options]) == 2, options
        assert words in capsys.readouterr().err, options
