"""What people have on disk is read, and what is wrong with it is said by name; nothing is ever unpickled."""

import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from mgaplib import embeddings, output

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)


def write(path, array):
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        np.savez(path, images=array)
    elif path.suffix == ".parquet":
        parquet(path, caption=["a"] * len(array), images=list(array))
    else:
        save_file({"images": array}, path)


@pytest.mark.parametrize("suffix", embeddings.SUFFIXES)
@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_every_format_gives_the_array_back(tmp_path, suffix, kind):
    path = tmp_path / f"a{suffix}"
    write(path, X.astype(kind))
    read = embeddings.read_embeddings(path)
    assert read.dtype == kind
    np.testing.assert_array_equal(read, X.astype(kind))


def test_lists_of_fixed_length_and_bfloat16(tmp_path):
    values = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), 4)
    parquet(tmp_path / "a.parquet", images=values)
    np.testing.assert_array_equal(embeddings.read_embeddings(tmp_path / "a.parquet"), X)
    import torch
    from safetensors.torch import save_file as save_torch

    save_torch({"images": torch.from_numpy(X).bfloat16()}, tmp_path / "a.safetensors")
    np.testing.assert_allclose(embeddings.read_embeddings(tmp_path / "a.safetensors"), X, rtol=1e-2)


def test_both_modalities_of_one_file(tmp_path):
    np.savez(tmp_path / "a.npz", image_embeds=X, text_embeds=-X, other=X)
    parquet(tmp_path / "a.parquet", image_embedding=list(X), text_embedding=list(-X))
    save_file({"images": X, "texts": -X}, tmp_path / "a.safetensors")
    np.save(tmp_path / "a.npy", np.stack([X, -X]))
    for suffix in embeddings.SUFFIXES:
        images, texts = embeddings.read_pairs(tmp_path / f"a{suffix}")
        np.testing.assert_array_equal(images, X)
        np.testing.assert_array_equal(texts, -X)
    images, texts = embeddings.read_pairs(f"{tmp_path}/a.npz::other", f"{tmp_path}/a.npz::text_embeds")
    np.testing.assert_array_equal(texts, -images)


@pytest.mark.parametrize("suffix", embeddings.SUFFIXES)
@pytest.mark.parametrize("kept", [0, 10, 0.7])
def test_a_truncated_file_is_refused_by_name(tmp_path, suffix, kept):
    path = tmp_path / f"cut{suffix}"
    write(path, np.ones((500, 16), np.float32))
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    with pytest.raises(ValueError, match=f"cut{suffix}.*damaged"):
        embeddings.read_embeddings(path)


@pytest.mark.parametrize("suffix", embeddings.SUFFIXES)
def test_a_pickle_is_never_loaded(tmp_path, suffix):
    path = tmp_path / f"evil{suffix}"
    path.write_bytes(pickle.dumps({"x": 1}))
    with pytest.raises(ValueError, match="evil"):
        embeddings.read_embeddings(path)
    if suffix in (".npy", ".npz"):
        (np.save if suffix == ".npy" else np.savez)(path, np.array([{"x": 1}], dtype=object))
        with pytest.raises(ValueError, match="pickled Python objects"):
            embeddings.read_embeddings(path)


def test_what_is_no_embeddings_is_refused_with_its_file(tmp_path):
    cases = [
        (np.arange(6).reshape(3, 2), TypeError, "int64"),
        (np.ones(5), ValueError, "2-D"),
        (np.full((3, 2), np.nan), ValueError, "NaN"),
        (np.zeros((3, 2)), ValueError, "zero row"),
        (np.ones((1, 2)), ValueError, "at least 2"),
    ]
    for values, error, words in cases:
        np.save(tmp_path / "bad.npy", values)
        with pytest.raises(error, match=f"bad.npy: .*{words}"):
            embeddings.read_embeddings(tmp_path / "bad.npy")


def test_what_cannot_be_found_is_said(tmp_path):
    np.save(tmp_path / "images.npy", X)
    np.savez(tmp_path / "two.npz", first=X, second=X)
    with pytest.raises(FileNotFoundError, match="its folder has images.npy"):
        embeddings.read_embeddings(tmp_path / "imags.npy")
    with pytest.raises(ValueError, match="can be read"):
        embeddings.read_embeddings(tmp_path / "a.csv")
    with pytest.raises(ValueError, match="is a folder"):
        embeddings.read_embeddings(tmp_path)
    with pytest.raises(ValueError, match="first, second; name one"):
        embeddings.read_embeddings(tmp_path / "two.npz")
    with pytest.raises(ValueError, match="did you mean 'first'"):
        embeddings.read_embeddings(f"{tmp_path}/two.npz::frist")
    with pytest.raises(ValueError, match="under the names images and texts"):
        embeddings.read_pairs(tmp_path / "two.npz")
    with pytest.raises(ValueError, match="one modality is missing"):
        embeddings.read_pairs(tmp_path / "images.npy")
    np.save(tmp_path / "texts.npy", X[:4])
    with pytest.raises(ValueError, match="row i of one is paired"):
        embeddings.read_pairs(tmp_path / "images.npy", tmp_path / "texts.npy")
    parquet(tmp_path / "empty.parquet", caption=["a", "b"])
    with pytest.raises(ValueError, match="no array of embeddings"):
        embeddings.read_embeddings(tmp_path / "empty.parquet")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").touch()
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"\.parquet files need pyarrow; install"):
        embeddings.read_embeddings(tmp_path / "a.parquet")


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "out.html"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(output.os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        output.write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError, match="no folder"):
        output.write_whole(tmp_path / "nowhere" / "a", b"")


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
    from PIL import Image

    from mgaplib import models
    from mgaplib.worlds import shapeworld

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
