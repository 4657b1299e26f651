"""The atlas of real models: what its matrices say, what their publishers stored, and what is refused."""

import dataclasses
import hashlib

import numpy as np
import pytest

from mgaplib import metrics
from mgaplib.embeddings import atlas

MODELS = atlas.models()


@pytest.fixture
def load(capsys):
    """Load from the published files; where they are out of reach, say that this was not tested."""

    def published(name):
        found = atlas.load(name)
        if found.stand_in:
            pytest.skip(f"{name}: the published file cannot be reached here")
        return found

    return published


# name: gap and loss as Humer et al. stored them beside the matrix, where their own repository has them;
# what the loss comes out at is a pool of 50, images to texts, at the model's own temperature
STORED = {
    "infonce-cc31/coco": (0.5041963239650291, 0.9719353654283147),
    "infonce-cc128/coco": (0.5515459302750257, 0.7041596472475434),
    "infonce-yfcc28/coco": (0.6953869940982085, 0.5113082530154429),
    "infoloob-cc31/coco": (0.21344701945781708, 1.4597444534301758),
    "infoloob-cc128/coco": (0.21949423849582672, 1.664730429649353),
    "infoloob-yfcc28/coco": (0.4155871931750858, 0.8559271434540712),
    "infonce-hopfield-cc31/coco": (0.4308065176010132, 1.0578051805496216),
    "infonce-hopfield-cc128/coco": (0.41227149963378906, 0.8798553943634033),
    "infonce-hopfield-yfcc28/coco": (0.838258251834155, 0.5770095801667782),
    "infoloob-hopfield-cc31/coco": (0.22746071219444275, 0.9112395644187927),
    "infoloob-hopfield-cc128/coco": (0.234526127576828, 0.8217719793319702),
    "infoloob-hopfield-yfcc28/coco": (0.4473613249574736, 0.6268906693038083),
    "clip/coco": (None, 0.303067596),
    "cyclip/coco": (0.8727249720225012, 0.9096358714859428),
    "cloob/coco": (0.25222809519269446, 0.8266380195942893),
    "imagebind/coco": (0.6840258286462448, None),
    "clip/diffusiondb": (0.7204536700846311, 0.3572942181737755),
    "cloob/diffusiondb": (0.3717863970958458, 1.6915629678426871),
}


@pytest.mark.parametrize("name", STORED)
def test_the_stored_gap_and_loss_come_out(load, name):
    found, (gap, loss) = load(name), STORED[name]
    if gap is not None:
        assert abs(metrics.modality_gap(found.images, found.texts) - gap) < 1e-6
    if loss is not None:
        back = np.argsort(atlas._ORDER) if name in atlas._REORDERED else slice(None)  # blocks go by the file
        x, y = found.images[back], found.texts[back]
        sharpness = MODELS.sharpness[name]
        there = metrics.contrastive_loss(x, y, 1 / sharpness, "image_to_text", block_size=50)
        assert abs(there - loss) < 5e-5
        for other in (0.98, 1.02):  # which pins the temperature down to two in a hundred
            assert abs(metrics.contrastive_loss(x, y, other / sharpness, "image_to_text", 50) - loss) > 1e-4


# infonce without retrieval: the loss alone fits two temperatures; the one stored of the closed gap decides
CLOSED = {
    "infonce-cc31/coco": 1.2142447758,
    "infonce-cc128/coco": 0.9265424359,
    "infonce-yfcc28/coco": 0.7479586365,
}


@pytest.mark.parametrize("name", CLOSED)
def test_the_learned_temperatures_fit_the_loss_without_the_gap_too(load, name):
    found = load(name)
    half = (found.images.mean(axis=0) - found.texts.mean(axis=0)) / 2
    there = metrics.contrastive_loss(
        found.images - half, found.texts + half, 1 / MODELS.sharpness[name], "image_to_text", block_size=50
    )
    assert abs(there - CLOSED[name]) < 1e-4


GAPS = {
    "clip/coco": 0.814, "cyclip/coco": 0.873, "cloob-laion/coco": 0.290, "imagebind/coco": 0.684,
    "infonce-cc31/coco": 0.504, "infonce-cc128/coco": 0.552, "infonce-yfcc28/coco": 0.695,
    "infoloob-cc31/coco": 0.213, "infoloob-cc128/coco": 0.219, "infoloob-yfcc28/coco": 0.416,
    "infonce-hopfield-cc31/coco": 0.431, "infonce-hopfield-cc128/coco": 0.412,
    "infonce-hopfield-yfcc28/coco": 0.838, "infoloob-hopfield-cc31/coco": 0.227,
    "infoloob-hopfield-cc128/coco": 0.235, "infoloob-hopfield-yfcc28/coco": 0.447,
}  # fmt: skip


@pytest.mark.parametrize("name", GAPS)
def test_the_gaps_to_three_digits(load, name):
    found = load(name)
    assert abs(metrics.modality_gap(found.images, found.texts) - GAPS[name]) <= 6e-4
    if name == "cyclip/coco":
        assert abs(metrics.relative_modality_gap(found.images, found.texts) - 0.687) < 6e-4


def test_three_modalities(load):
    found = load("imagebind/audioset")
    assert list(found.embeddings) == ["image", "text", "audio"]
    rows = {name: x for name, x in found.embeddings.items()}
    for pair, gap in {
        ("audio", "image"): 0.6844899,
        ("text", "image"): 0.8762928,
        ("text", "audio"): 0.7458447,
    }.items():
        assert abs(metrics.modality_gap(*(rows[name] for name in pair)) - gap) < 1e-6


@pytest.mark.parametrize("name", MODELS.index)
def test_embeddings_have_the_cosines(load, name):
    found = load(name)
    rows = np.concatenate(list(found.embeddings.values()))
    np.testing.assert_allclose(rows @ rows.T, found.gram, atol=2e-6)
    assert found.gram.shape == (100 * len(found.embeddings),) * 2 and found.data == "real"
    assert found.model.label in found.model.source


def words(dataset):
    """The share of words that two captions have in common, for each two."""
    common = set("a an the of on in with and is are to at by".split())
    sets = [set(line.lower().replace(",", " ").split()) - common for line in atlas.captions(dataset)]
    return np.array([[len(a & b) / max(len(a | b), 1) for b in sets] for a in sets])


@pytest.mark.parametrize("name", MODELS.index)
def test_captions_stand_in_the_order_of_the_rows(load, name):
    """Captions that share words have texts that are near: in this order, and not in the next."""
    gram, shared = load(name).gram, words(name.partition("/")[2])
    apart = np.triu_indices(100, 1)
    texts = gram[100:200, 100:200]
    assert np.corrcoef(shared[apart], texts[apart])[0, 1] > 0.2
    assert abs(np.corrcoef(np.roll(shared, 1, axis=(0, 1))[apart], texts[apart])[0, 1]) < 0.12


def likeness(gram):
    """How like each two pairs are in one model, all three kinds of cosines together."""
    apart, total = ~np.eye(100, dtype=bool), np.zeros((100, 100))
    for block in (gram[:100, :100], gram[100:, 100:], (gram[:100, 100:] + gram[100:, :100]) / 2):
        total += np.where(apart, (block - block[apart].mean()) / block[apart].std(), 0)
    return total


def fits_best(here, there):
    """The share of pairs whose likenesses to the others agree best with their own elsewhere."""
    return np.mean(np.corrcoef(there, here)[:100, 100:].argmax(axis=1) == np.arange(100))


def test_the_order_that_was_found_fits_every_row(load):
    """A pair is like the same others in the four models as in others; in the files' own order it is not."""
    four = {name: likeness(load(name).gram) for name in sorted(atlas._REORDERED)}
    others = [name for name in MODELS.index if "yfcc28" in name] + ["imagebind/coco"]
    there = sum(likeness(load(name).gram) for name in others)
    assert fits_best(sum(four.values()), there) == 1
    as_stored = np.argsort(atlas._ORDER)
    for here in four.values():
        assert fits_best(here, there) > 0.8
        assert fits_best(here[np.ix_(as_stored, as_stored)], there) < 0.05


def test_the_table_lists_what_is_there():
    assert len(MODELS) == 22 and MODELS.index.is_unique
    assert len(atlas.ABLATION) == 12 and set(MODELS.loc[list(atlas.ABLATION), "tower"]) == {"RN50"}
    assert set(MODELS.loc["imagebind/audioset", "modalities"]) == {"image", "text", "audio"}
    assert MODELS.licence.str.startswith("matrix: MIT").all()
    files = set(atlas._MATRICES.values())
    assert files <= set(atlas._FILES.sha256) and len(files) == 22


def test_captions_and_pictures(load):
    load("clip/diffusiondb")
    assert [len(atlas.captions(name)) for name in atlas.DATASETS] == [100, 100, 100]
    assert atlas.captions("coco")[4] == "Two zebras fighting in a cloud of dust"
    assert atlas.picture(0).size == (512, 512) and atlas.picture(0).mode == "RGB"


# What is refused

FILE = "MSCOCO-Val_size-100/similarities/ImageBind.csv"


def cosines(seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((200, 250))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows @ rows.T


@pytest.fixture
def put(empty_cache, nobody, monkeypatch, tmp_path):
    """Put a file into a mirror as if it had been published so."""

    def put(content, file=FILE):
        if isinstance(content, np.ndarray):
            content = "\n".join(",".join(map(repr, row.tolist())) for row in content).encode()
        path = tmp_path / "mirror/humer2024" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        hashes = {**atlas._FILES.sha256, file: hashlib.sha256(content).hexdigest()}
        monkeypatch.setattr(atlas, "_FILES", dataclasses.replace(atlas._FILES, url=nobody, sha256=hashes))
        monkeypatch.setenv("MGAPLIB_DATA", str(tmp_path / "mirror"))

    return put


def test_a_good_matrix_passes(put):
    put(cosines())
    np.testing.assert_allclose(atlas.load("imagebind/coco").gram, cosines(), atol=1e-15)


def changed(row, column, value, both=True):
    gram = cosines()
    gram[row, column] = value
    if both:
        gram[column, row] = value
    return gram


BAD = {
    "not square": (cosines()[:-1], "has 199 rows and 200 columns instead of 200 each"),
    "of another size": (cosines()[:100, :100], "has 100 rows and 100 columns"),
    "not finite": (changed(3, 5, np.nan), "holds nan in row 3, column 5"),
    "not symmetric": (changed(3, 5, 0.5, both=False), "is not symmetric: rows 3 and 5"),
    "logits": (100 * cosines(), "gives row .* the cosine 100 with itself"),
    "distances": (1 - cosines(), "gives row .* the cosine .* with itself instead of 1"),
    "no vectors": (changed(3, 5, -1.2), "has an eigenvalue of -.*: no vectors have these cosines"),
    "no table": (b"<html>not found</html>", "holds no table of numbers"),
    "ragged": (b"1,0\n0\n", "holds no table of numbers"),
    "empty": (b"", "has .* rows|holds no table"),
}


@pytest.mark.filterwarnings("ignore:loadtxt")
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_matrix_is_named(put, bad):
    content, message = bad
    put(content)
    with pytest.raises(ValueError, match=f"humer2024/{FILE} ({message}).*replace the file"):
        atlas.load("imagebind/coco")


def test_a_damaged_file_is_never_read(put, monkeypatch, tmp_path):
    put(cosines())
    path = tmp_path / "mirror/humer2024" / FILE
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(OSError, match="ImageBind.csv is damaged or truncated"):
        atlas.load("imagebind/coco")


@pytest.mark.parametrize("lines", ["one\ntwo\n", "\n".join(["a"] * 50 + [""] + ["a"] * 49)])
def test_captions_that_are_not_one_a_pair_are_refused(put, lines):
    put(lines.encode(), "MSCOCO-Val_size-100/prompts.txt")
    with pytest.raises(ValueError, match="humer2024/MSCOCO-Val_size-100/prompts.txt holds .* 100 captions"):
        atlas.captions("coco")


def test_what_is_no_picture_is_refused(put):
    put(b"no jpeg", "DiffusionDB_size-100/images/7.jpg")
    with pytest.raises(ValueError, match="images/7.jpg holds no picture"):
        atlas.picture(7)


@pytest.mark.parametrize("number", [-1, 100, 1.5, "7a"])
def test_a_picture_that_is_not_there_is_refused(number):
    with pytest.raises(ValueError, match="number is .*from 0 to 99"):
        atlas.picture(number)


def test_unknown_names_are_told_the_nearest():
    with pytest.raises(ValueError, match="unknown model 'cyclip'; did you mean 'cyclip/coco'"):
        atlas.load("cyclip")
    with pytest.raises(ValueError, match="unknown set of pairs 'diffusion'; did you mean 'diffusiondb'"):
        atlas.captions("diffusion")


def test_without_the_files_everything_runs_and_says_so(nobody, monkeypatch, capfd):
    monkeypatch.setattr(atlas, "_FILES", dataclasses.replace(atlas._FILES, url=nobody))
    found = atlas.load("imagebind/audioset")
    said = capfd.readouterr()
    assert said.out.startswith("Shown instead of imagebind/audioset: a drawn stand-in, no measurement")
    assert "cannot be reached" in said.out and said.err == ""
    assert found.stand_in and found.data == "simulation" and found.gram.shape == (300, 300)
    rows = np.concatenate(list(found.embeddings.values()))
    np.testing.assert_allclose(rows @ rows.T, found.gram, atol=1e-6)
    assert atlas.captions("coco")[:2] == ["pair 0", "pair 1"] and "are numbered" in capfd.readouterr().out
    assert atlas.picture(3) is None
    gaps = [metrics.modality_gap(f.images, f.texts) for f in map(atlas.load, MODELS.index)]
    assert min(gaps) < 0.3 and max(gaps) > 0.8  # so that a page shows what it would show
    other = atlas.load("clip/coco")
    assert abs(other.gram[:100, :100] - found.gram[:100, :100]).max() > 0.1  # each has a draw of its own
