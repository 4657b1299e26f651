"""What people have on disk is read, and what is wrong with it is said by name; nothing is ever unpickled."""

import gzip
import json
import pickle

import h5py
import numpy as np
import pandas as pd
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
    elif path.suffix == ".safetensors":
        save_file({"images": array}, path)
    elif path.suffix in (".feather", ".arrow"):
        table = pa.table({"caption": ["a"] * len(array), "images": list(array)})
        made = pa.ipc.new_file if path.suffix == ".feather" else pa.ipc.new_stream
        with made(path, table.schema) as file:
            file.write_table(table)
    elif path.suffix in (".csv", ".tsv"):
        pd.DataFrame(array.astype(float)).to_csv(path, sep="\t" if path.suffix == ".tsv" else ",")
    elif path.suffix == ".jsonl":
        path.write_text(
            "\n".join(json.dumps({"id": i, "images": row}) for i, row in enumerate(array.tolist()))
        )
    else:
        with h5py.File(path, "w") as file:
            file["ids"], file["group/images"] = np.arange(len(array)), array


def packed(path):
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    return path.with_name(path.name + ".gz")


BINARY = (".npy", ".npz", ".parquet", ".safetensors", ".feather", ".h5")


@pytest.mark.parametrize("suffix", embeddings.SUFFIXES)
@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_every_format_gives_the_array_back(tmp_path, suffix, kind):
    path = tmp_path / f"a{suffix}"
    write(path, X.astype(kind))
    read = embeddings.read_embeddings(path)
    assert read.dtype == kind or suffix in (".csv", ".tsv", ".jsonl")
    np.testing.assert_array_equal(read, X.astype(kind))
    if suffix != ".safetensors":
        np.testing.assert_array_equal(embeddings.read_embeddings(packed(path)), read)
    upper = path.rename(tmp_path / path.name.upper())
    np.testing.assert_array_equal(embeddings.read_embeddings(upper), read)


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
    for suffix in (".npy", ".npz", ".parquet", ".safetensors"):
        images, texts = embeddings.read_pairs(tmp_path / f"a{suffix}")
        np.testing.assert_array_equal(images, X)
        np.testing.assert_array_equal(texts, -X)
    images, texts = embeddings.read_pairs(f"{tmp_path}/a.npz::other", f"{tmp_path}/a.npz::text_embeds")
    np.testing.assert_array_equal(texts, -images)


@pytest.mark.parametrize("suffix", BINARY)
@pytest.mark.parametrize("kept", [0, 10, 0.7])
def test_a_truncated_file_is_refused_by_name(tmp_path, suffix, kept):
    path = tmp_path / f"cut{suffix}"
    write(path, np.ones((500, 16), np.float32))
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    with pytest.raises(ValueError, match=f"cut{suffix} is (no .* but (empty|of another kind)|.*damaged)"):
        embeddings.read_embeddings(path)


@pytest.mark.parametrize("kept", [0, 10, 200])
def test_truncated_labels_are_refused_by_name(tmp_path, kept):
    np.save(tmp_path / "cut.npy", np.arange(500))
    content = (tmp_path / "cut.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(content[:kept])
    with pytest.raises(ValueError, match=r"cut\.npy is damaged"):
        embeddings.read_labels(tmp_path / "cut.npy")


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
        embeddings.read_embeddings(tmp_path / "a.xls")
    with pytest.raises(ValueError, match="is a folder"):
        embeddings.read_embeddings(tmp_path)
    with pytest.raises(ValueError, match="first, second; name one"):
        embeddings.read_embeddings(tmp_path / "two.npz")
    with pytest.raises(ValueError, match="did you mean 'first'"):
        embeddings.read_embeddings(f"{tmp_path}/two.npz::frist")
    with pytest.raises(
        ValueError, match=r"not clear which two are the modalities; name both, as in .*::first .*::second"
    ):
        embeddings.read_pairs(tmp_path / "two.npz")
    with pytest.raises(ValueError, match="one modality is missing"):
        embeddings.read_pairs(tmp_path / "images.npy")
    np.save(tmp_path / "texts.npy", X[:4])
    with pytest.raises(ValueError, match="row i of one is paired"):
        embeddings.read_pairs(tmp_path / "images.npy", tmp_path / "texts.npy")
    parquet(tmp_path / "empty.parquet", caption=["a", "b"])
    with pytest.raises(ValueError, match=r"no array of embeddings; its columns are caption \(string\)"):
        embeddings.read_embeddings(tmp_path / "empty.parquet")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    parquet(tmp_path / "a.parquet", images=list(X))
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    for name in ("a.parquet", "a.parquet.gz"):
        with pytest.raises(ImportError, match=f"to read {name} needs pyarrow; install"):
            embeddings.read_embeddings(tmp_path / name)


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


def test_a_table_of_numbered_columns_is_an_array_or_two(tmp_path):
    wide = pd.DataFrame(X, columns=[f"img_{i}" for i in range(4)])
    texts = pd.DataFrame(-X[:, ::-1], columns=[f"txt_{i}" for i in range(4)][::-1])  # in any order
    both = pd.concat([pd.Series(range(6), name="id"), wide, texts], axis=1)
    both.to_csv(tmp_path / "both.csv", index=False)
    both.to_parquet(tmp_path / "both.parquet")
    both.to_csv(tmp_path / "semicolons.csv", sep=";", decimal=",")
    (tmp_path / "bom.csv").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "both.csv").read_bytes())
    for name in ("both.csv", "both.parquet", "semicolons.csv", "bom.csv"):
        images, texts = embeddings.read_pairs(tmp_path / name)
        np.testing.assert_allclose(images, X, rtol=1e-6, err_msg=name)
        np.testing.assert_allclose(texts, -X, rtol=1e-6, err_msg=name)
    for name, options in {
        "plain.csv": {"delimiter": ","},
        "spaces.csv": {},
        "tabs.tsv": {"delimiter": "\t"},
    }.items():
        np.savetxt(tmp_path / name, X, **options)  # no line of names, and none is eaten
        np.testing.assert_allclose(embeddings.read_embeddings(tmp_path / name), X)
    dead = X * [1, 1, 0, 1]
    np.savetxt(tmp_path / "dead.csv", dead, "%.6g", ",")  # a dimension without any use is written as 0
    np.testing.assert_allclose(embeddings.read_embeddings(tmp_path / "dead.csv"), dead, rtol=1e-5)
    np.savetxt(tmp_path / "index.csv", np.column_stack([range(6), X]), ["%d"] + ["%.6f"] * 4, ",")
    with pytest.raises(ValueError, match="index.csv: column 0 holds whole numbers among columns of floats"):
        embeddings.read_embeddings(tmp_path / "index.csv")


def test_vectors_written_as_text_are_read_back_or_refused_by_row(tmp_path):
    def table(name, rows):
        frame = pd.DataFrame({"caption": ["[a dog] in the rain"] * len(rows), "embedding": rows})
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        frame.to_parquet(tmp_path / f"{name}.parquet")
        return [tmp_path / f"{name}{suffix}" for suffix in (".csv", ".parquet")]

    for name, written in {
        "json": [json.dumps(row) for row in X.tolist()],
        "numpy": [str(row) for row in X],
        "torch": [f"tensor({row})" for row in X.tolist()],
    }.items():
        for path in table(name, written):
            np.testing.assert_allclose(embeddings.read_embeddings(path), X, rtol=1e-5)
    bad = {
        "cut": ([json.dumps(X[0].tolist()), "[0.1 0.2 ... 0.3]"], "row 1 .*shortened when it was printed"),
        "word": ([json.dumps(X[0].tolist()), "none"], "no vector in row 1 but 'none'"),
        "empty": ([json.dumps(X[0].tolist()), None], "no vector in row 1 but"),
        "short": (["[1.0, 2.0]", "[1.0]"], "different lengths.*row 1"),
    }
    for name, (rows, words) in bad.items():
        for path in table(name, rows):
            with pytest.raises((TypeError, ValueError), match=f"{path.name}: .*{words}"):
                embeddings.read_embeddings(path)


def test_columns_of_arrow_are_read_or_refused_for_what_they_are(tmp_path):
    tensors = pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.float32(), (4,)), pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), 4)
    )
    parquet(tmp_path / "tensor.parquet", image_features=tensors, txt=list(-X), caption=["a"] * 6)
    images, texts = embeddings.read_pairs(tmp_path / "tensor.parquet")
    np.testing.assert_array_equal(images, X)
    np.testing.assert_array_equal(texts, -X)
    rows = X.tolist()
    fixed = pa.list_(pa.float32(), 4)
    cases = {
        "null": (pa.array([*rows[:3], None, *rows[4:]]), "no vector in row 3 .1 empty rows"),
        "fixed": (pa.array([*rows[:3], None, *rows[4:]], fixed), "no vector in row 3"),
        "lengths": (pa.array([*rows[:5], [1.0]]), "different lengths, 4 numbers first and 1 in row 5"),
        "codes": (pa.array([[1, 2]] * 6), "holds int64.*scale and offset"),
        "bytes": (
            pa.array([row.tobytes() for row in X]),
            r"no array of embeddings; its columns are images \(binary\)",
        ),
        "nested": (pa.array([[row] for row in rows]), r"images \(list<.*list"),
        "captions": (pa.array(["a dog"] * 6), r"images \(string\)"),
    }
    for name, (column, words) in cases.items():
        parquet(tmp_path / f"{name}.parquet", images=column)
        with pytest.raises((TypeError, ValueError), match=f"{name}.parquet.*{words}") as told:
            embeddings.read_embeddings(tmp_path / f"{name}.parquet")
        assert "damaged" not in str(told.value)


@pytest.mark.parametrize(
    ("images", "texts"),
    [
        ("image_features", "text_features"), ("img", "txt"), ("imageEmbeds", "textEmbeds"), ("x", "y"),
        ("audio", "text"), ("video_embeddings", "captions"), ("image_embeds", "audio_embeds"),
        ("vision_model.pooler", "text_model.pooler"), ("IMG_EMB", "TXT_EMB"),
    ],
)  # fmt: skip
def test_modalities_are_known_by_their_names(tmp_path, images, texts):
    np.savez(
        tmp_path / "a.npz",
        **{"logit_scale": np.float32(4.6), texts: -X, images: X, "image_ids": np.arange(6)},
    )
    found = embeddings.read_pairs(tmp_path / "a.npz")
    np.testing.assert_array_equal(found, [X, -X])


def test_three_modalities_are_for_the_user_to_choose_from(tmp_path):
    np.savez(tmp_path / "a.npz", image=X, text=X, audio=-X)
    with pytest.raises(ValueError, match=r"name both, as in (\S+) (\S+)$") as told:
        embeddings.read_pairs(tmp_path / "a.npz")
    assert embeddings.read_pairs(*str(told.value).split()[-2:])[0].shape == X.shape  # the advice works


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.npy", b"<!doctype html>", "is no .npy file but a web page"),
        ("a.parquet", b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS.*git lfs pull"),
        ("a.npy", b"PK\x03\x04 and so on", "a zip archive"),
        ("a.npz", b"\x93NUMPY", "but a .npy file"),
        ("a.csv", b"\x1f\x8b\x08", "packed by gzip"),
        ("a.csv", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("a.npy", b"", "is no .npy file but empty"),
        ("a.jsonl", b'{"images": [1.0, 2.0]}\n{"images": [1.0\n', "line 2 is no JSON"),
        ("a.csv", b"a,b\n0.1,0.2\n0.1,0.2,0.3\n", "line 3"),
        ("a.npy.gz", b"no gzip", "a.npy.gz is damaged"),
        ("a.pt", b"", "ends in '.pt'.*load it with torch.*numpy.save"),
        ("a.safetensors.gz", b"", "ends in '.gz'"),
    ],
)
def test_a_file_of_another_kind_is_called_what_it_is(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words):
        embeddings.read_embeddings(tmp_path / name)


def test_what_the_system_refuses_is_no_damage(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", X)
    for error in (PermissionError(13, "Permission denied"), MemoryError("no room")):

        def refuse(*_, error=error, **__):
            raise error

        monkeypatch.setattr(np, "load", refuse)
        with pytest.raises(type(error)):
            embeddings.read_embeddings(tmp_path / "a.npy")


def test_an_address_is_no_file():
    with pytest.raises(FileNotFoundError, match="is an address; download the file first"):
        embeddings.read_embeddings("https://example.org/a.npy")
