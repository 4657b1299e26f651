"""Folders of pictures and captions as people have them: read as they are meant, or refused by the line."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mgaplib import embeddings, models
from mgaplib.__main__ import main
from mgaplib.embeddings.pictures import upright
from mgaplib.worlds import shapeworld


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        ("file,caption\na.png,x\n", ValueError, "no column 'image'; it has file, caption"),
        ("image,caption\n", ValueError, "no rows"),
        ("image,caption\na.png\n", ValueError, "line 2"),
        ("image,caption\nb.png,x\n", FileNotFoundError, "lacks 1 of its pictures, b.png"),
        ("", ValueError, "it has none"),
    ],
)
def test_a_bad_table_of_captions(tmp_path, table, error, words):
    (tmp_path / "a.png").touch()
    (tmp_path / "captions.csv").write_text(table)
    with pytest.raises(error, match=words):
        embeddings.read_captions(tmp_path)


def test_a_folder_is_embedded(tmp_path):
    world = shapeworld.draw(5, size=24)
    names = [f"{i}.png" for i in range(5)]
    for name, picture in zip(names, world.images, strict=True):
        Image.fromarray(picture).save(tmp_path / name)
    lines = [f"{name},{caption}" for name, caption in zip(names, world.captions, strict=True)]
    (tmp_path / "captions.csv").write_text("\n".join(["image,caption", *lines]))
    found = embeddings.embed_folder(tmp_path, "MiniCLIP-24")
    model = models.load_clip("MiniCLIP-24")
    np.testing.assert_allclose(found.images, model.encode_images(world.images), atol=1e-5)
    np.testing.assert_allclose(found.texts, model.encode_texts(world.captions), atol=1e-5)
    assert found.captions == world.captions
    assert found.thumbnails.shape == (5, 32, 32, 3)
    with pytest.raises(ValueError, match="unknown model"):
        embeddings.embed_folder(tmp_path, "MiniCLIP-42")
    (tmp_path / "3.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="3.png is no picture"):
        embeddings.embed_folder(tmp_path, "MiniCLIP-24")
    assert found.groups == names and found.too_long == 0


def made(folder, names, table, content):
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / name)
    path = folder / table
    path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content, encoding="utf-8")
    return folder


WANTED = (["0.png", "0.png", "1.png"], ["a dog, in the rain", 'a "red" ring', "naïve"])
QUOTED = 'image,caption\n0.png,"a dog, in the rain"\n0.png,"a ""red"" ring"\n1.png,naïve\n'
LINES = [{"file_name": name, "text": text} for name, text in zip(*WANTED, strict=True)]


@pytest.mark.parametrize(
    ("table", "content"),
    [
        ("captions.csv", QUOTED),
        ("captions.csv", b"\xef\xbb\xbf" + QUOTED.replace("\n", "\r\n").encode()),
        ("captions.csv", QUOTED.encode("utf-16")),
        ("captions.csv", 'image;caption\n0.png;a dog, in the rain\n0.png;"a ""red"" ring"\n1.png;naïve'),
        (
            "captions.csv",
            'file_name,split,text\n0.png,x,"a dog, in the rain"\n0.png,x,"a ""red"" ring"\n1.png,x,naïve',
        ),
        ("captions.tsv", 'caption\timage\na dog, in the rain\t0.png\na "red" ring\t0.png\nnaïve\t1.png\n'),
        ("captions.txt", QUOTED),  # Kaggle's Flickr8k
        (
            "results.csv",
            "image_name| comment_number| comment\n0.png| 0| a dog, in the rain\n"
            '0.png| 1| a "red" ring\n1.png| 0| naïve\n',
        ),
        ("Flickr8k.token.txt", '0.png#0\ta dog, in the rain\n0.png#1\ta "red" ring\n1.png#0\tnaïve\n'),
        ("results_20130124.token", '0.png#0\ta dog, in the rain\n0.png#1\ta "red" ring\n1.png#0\tnaïve\n'),
        ("metadata.jsonl", "\n".join(map(json.dumps, LINES)) + "\n\n"),
        ("captions.csv", QUOTED.partition("\n")[2]),  # no line of names
    ],
)
def test_tables_of_captions_are_read_in_the_layouts_that_people_have(tmp_path, table, content):
    assert embeddings.read_captions(made(tmp_path, ["0.png", "1.png"], table, content)) == WANTED


def test_pictures_may_lie_a_folder_below_their_table(tmp_path):
    made(tmp_path, ["Images/0.png", "Images/1.png"], "captions.txt", QUOTED)
    (tmp_path / "Other").mkdir()
    assert embeddings.read_captions(tmp_path) == (["Images/0.png", "Images/0.png", "Images/1.png"], WANTED[1])


def test_a_text_file_beside_each_picture(tmp_path):
    for name, text in (("00/a.jpg", "a dog,\nin the rain"), ("01/b.JPG", "naïve")):
        made(tmp_path, [name], Path(name).with_suffix(".txt"), text)
        (tmp_path / name).with_suffix(".json").write_text("{}")
    assert embeddings.read_captions(tmp_path) == (["00/a.jpg", "01/b.JPG"], ["a dog, in the rain", "naïve"])
    (tmp_path / "00" / "a.txt").unlink()
    with pytest.raises(FileNotFoundError, match="lacks 1 captions: a.txt"):
        embeddings.read_captions(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "image,caption\n0.png,a dog, in the rain\n",
            "line 2 of .* 3 cells for 2 columns; a caption that holds ',' goes in",
        ),
        ('image,caption\n0.png,"a dog\n0.png,a cat\n0.png,a "bird"\n', "line 2 of"),
        (
            'image,caption\n0.png,a dog\n0.png,"a dog\n0.png,a cat"\n',
            "line 3 of .* opens a quotation that ends in line 4",
        ),
        ('image,caption\n0.png,"a" dog\n', "line 2 of .* is no CSV"),
        ('image,caption\n0.png,a dog\n0.png,"a dog\n', "line 3 of .* is no CSV"),
        ("image,caption\n0.png,a dog\n0.png,  \n", "line 3 of .* has no caption"),
        ("image,caption\n,a dog\n", "line 2 of .* has no image"),
        ("image caption\n0.png a dog\n", "line 2 of .* 3 cells"),
        ("image,caption\n0.png,a dog\n9.png,a cat\n", "lacks 1 of its pictures, 9.png"),
        (b"image,caption\n0.png,na\xefve\n", "no table in UTF-8"),
    ],
)
def test_what_would_be_misread_is_refused_by_its_line(tmp_path, content, words):
    made(tmp_path, ["0.png"], "captions.csv", content)
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        embeddings.read_captions(tmp_path)


def test_lines_of_json_that_are_none_are_told(tmp_path):
    for line in ('{"file_name": "0.png"', '["0.png", "a"]', '{"file_name": "0.png"}'):
        made(tmp_path, ["0.png"], "metadata.jsonl", json.dumps(LINES[0]) + "\n" + line)
        with pytest.raises(ValueError, match="line 2 of .* is no JSON object"):
            embeddings.read_captions(tmp_path)
    made(tmp_path, ["0.png"], "metadata.jsonl", '{"file_name": "0.png", "text": null}')
    with pytest.raises(ValueError, match="line 1 of .* has no caption"):
        embeddings.read_captions(tmp_path)


def test_pairs_of_one_picture_are_one_group_and_the_picture_is_embedded_once(tmp_path):
    world = shapeworld.draw(3, size=24)
    for row, picture in enumerate(world.images):
        Image.fromarray(picture).save(tmp_path / f"{row}.png")
    lines = [f"{row}.png,{caption}" for row in (0, 1, 2, 0) for caption in world.captions[:2]]
    (tmp_path / "captions.csv").write_text("\n".join(["image,caption", *lines]))
    found = embeddings.embed_folder(tmp_path, "MiniCLIP-24")
    assert found.groups == [f"{row}.png" for row in (0, 0, 1, 1, 2, 2, 0, 0)]
    np.testing.assert_array_equal(found.images[0], found.images[6])
    assert len(found.images) == len(found.texts) == len(found.thumbnails) == 8
    rows = [line + f",{row % 2}" for row, line in enumerate(lines)]
    (tmp_path / "captions.csv").write_text("\n".join(["image,caption,group", *rows]))
    assert embeddings.embed_folder(tmp_path, "MiniCLIP-24").groups == list("01010101")


def test_captions_that_are_too_long_are_counted_in_a_sentence(tmp_path, capsys):
    for row in range(24):
        Image.new("RGB", (24, 24), (10 * row, 0, 0)).save(tmp_path / f"{row}.png")
    word = shapeworld.draw(1).captions[0].split()[-1]
    words = [14, 15, *[1 + row % 3 for row in range(22)]]  # 16 tokens are read, two of them are marks
    lines = [f"{row}.png,{' '.join([word] * n)}" for row, n in enumerate(words)]
    (tmp_path / "captions.csv").write_text("\n".join(["image,caption", *lines]))
    assert embeddings.embed_folder(tmp_path, "MiniCLIP-24").too_long == 1
    main(["report", "--pairs", str(tmp_path), "--model", "MiniCLIP-24"])
    assert "1 of 24 captions are longer than MiniCLIP-24 reads" in capsys.readouterr().err


def test_too_few_pictures_and_a_rate_too_small_are_told_before_the_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(embeddings.folder, "embed_folder", pytest.fail)
    for n, rate, words in (
        (23, 0.01, "has 23 pictures; at least 24"),
        (30, 1e-4, "30 pairs cannot show; pass 0.0047"),
    ):
        lines = [f"{row}.png,caption {row}" for row in range(n)]
        made(
            tmp_path, [f"{row}.png" for row in range(n)], "captions.csv", "\n".join(["image,caption", *lines])
        )
        assert main(["report", "--pairs", str(tmp_path), "--model", "ViT-B-32", "--rate", str(rate)]) == 2
        assert words in capsys.readouterr().err


def test_captions_are_no_pictures_where_too_few_are_told(tmp_path, capsys):
    lines = [f"{row % 6}.png,caption {row}" for row in range(60)]
    made(tmp_path, [f"{row}.png" for row in range(6)], "captions.csv", "\n".join(["image,caption", *lines]))
    assert main(["report", "--pairs", str(tmp_path), "--model", "ViT-B-32"]) == 2
    assert "has 6 pictures; at least 24 are needed" in capsys.readouterr().err


def test_photographs_stand_upright(tmp_path):
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:, :10] = 255
    turns = {1: pixels, 3: pixels[::-1, ::-1], 6: np.rot90(pixels, -1), 8: np.rot90(pixels)}
    for orientation, turned in turns.items():
        picture = Image.fromarray(pixels)
        exif = picture.getexif()
        exif[0x0112] = orientation
        picture.save(tmp_path / "a.png", exif=exif)
        np.testing.assert_array_equal(np.asarray(upright(tmp_path / "a.png")), turned)


@pytest.mark.parametrize(
    ("grey", "name"),
    [
        (np.arange(65536).reshape(256, 256).astype(np.uint16), "a.png"),
        (np.arange(65536).reshape(256, 256).astype(np.uint16), "a.tif"),
        (np.arange(4096).reshape(64, 64).astype(np.uint16), "a.png"),  # 12 bits, as in radiology
        (np.arange(65536).reshape(256, 256).astype(np.int32), "a.tif"),
        (np.linspace(0, 1, 4096, dtype=np.float32).reshape(64, 64), "a.tif"),
        (np.arange(256).reshape(16, 16).astype(np.uint8), "a.png"),
    ],
)
def test_deep_greys_keep_their_range(tmp_path, grey, name):
    Image.fromarray(grey).save(tmp_path / name)
    found = np.asarray(upright(tmp_path / name)).astype(float)
    assert found.shape == (*grey.shape, 3)
    np.testing.assert_allclose(found[..., 0], grey * (255.0 / grey.max()), atol=0.51)


def test_of_moving_pictures_the_first_is_taken_and_palettes_become_colours(tmp_path):
    red, blue = (Image.new("RGB", (16, 16), colour) for colour in ("red", "blue"))
    red.save(tmp_path / "a.gif", save_all=True, append_images=[blue])
    red.save(tmp_path / "a.webp", save_all=True, append_images=[blue], lossless=True)
    red.quantize(4).save(tmp_path / "a.png", transparency=0)
    for name in ("a.gif", "a.webp", "a.png"):
        picture = upright(tmp_path / name)
        assert picture.mode == "RGB" and picture.getpixel((3, 3)) == (255, 0, 0), name


def test_a_report_counts_any_caption_of_a_picture(tmp_path, capsys):
    world = shapeworld.draw(26, size=24)
    for row, picture in enumerate(world.images):
        Image.fromarray(picture).save(tmp_path / f"{row}.png")
    lines = [
        f"{row}.png,{caption} {end}"
        for row, caption in enumerate(world.captions)
        for end in ("", "red", "small")
    ]
    (tmp_path / "captions.csv").write_text("\n".join(["image,caption", *lines]))
    page = tmp_path / "page.html"
    command = ["report", "--pairs", str(tmp_path), *"--model MiniCLIP-24 --rate 0.05 -o".split(), str(page)]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["pairs"] == 26  # groups, and not the 78 rows
    assert main(command) == 0
    assert "26 images and 78 texts in 26 groups" in capsys.readouterr().out
    assert world.captions[3] in page.read_text(encoding="utf-8")
