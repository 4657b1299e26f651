"""The page that measures a reader's files: its readers and its engine, each alone in a browser."""

import base64
import io
import json
import re
import warnings
import zipfile

import numpy as np
import pytest
from built_book import PATIENCE, ROOT, serve

from mgaplib import landscape, metrics
from mgaplib.corrections import Centring
from mgaplib.corrections.hubness import ScoreCalibration
from mgaplib.corrections.trials import _judge
from mgaplib.dynamics.free_points import Draws
from mgaplib.embeddings import load_embeddings, read_embeddings
from mgaplib.metrics.gap import _logistic
from mgaplib.metrics.retrieval import partner_cosines
from mgaplib.pairs import Pairs, group_sums
from mgaplib.report import MeasureHere, measure, reading
from mgaplib.report.measure_here import coded
from mgaplib.report.pairing import _at_least
from mgaplib.search.thresholds import calibrate, of_strangers
from mgaplib.widgets.gap_explorer import CURVE_SHIFTS, SHIFTS, TAUS, GapExplorer

MODELS = "clip", "convirt", "videoclip", "clasp"
OPTIONS = {"tau": 0.01, "rates": [0.1, 0.05, 0.01, 0.001], "trialled": 1000}
FILES = ["embeddings_files", "measure_engine", "measure_words", "landscape_tables", "landscape_engine"]
ROWS = np.random.default_rng(0).normal(size=(30, 6))


@pytest.fixture(scope="module")
def rules():
    return MeasureHere({"drawn": Pairs(ROWS + 1, ROWS - 1)}).data


@pytest.fixture(scope="module")
def ask(browser):
    """Run a function body with all exports of the named modules, in a page of the widgets' folder."""
    with serve(ROOT / "mgaplib/widgets") as site:
        page = browser.new_context().new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(site + "shared.css")

        def run(body, **arguments):
            return page.evaluate(
                """async ([body, a]) => {
                  const all = {};
                  for (const name of a.names) Object.assign(all, await import(`/${name}.js`));
                  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
                  const floats = (text) => new Float64Array(bytes(text).buffer);
                  const Run = Object.getPrototypeOf(async () => {}).constructor;
                  return new Run(...Object.keys(all), "floats", "a", body)(...Object.values(all), floats, a);
                }""",
                [body, {**arguments, "names": FILES}],
            )

        yield run
        page.context.close()


def text_of(values) -> str:
    return base64.b64encode(np.ascontiguousarray(values, "<f8").tobytes()).decode()


# --- files

READ = """
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const files = a.files.map(([name, text]) => new File([bytes(text)], name));
try {
  const { names, tables } = await openBoth(files, a.rules);
  const found = [];
  for (const [k, table] of tables.entries()) {
    found.push([...checkedRows(await table.read(a.rows ?? null), table.shape[1], names[k], a.rows)]);
  }
  return { names, shapes: tables.map(({ shape }) => shape), found };
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  return { refused: error.message };
}"""


@pytest.fixture
def read(ask, rules):
    def read_files(*files, rows=None):
        files = [[name, base64.b64encode(content).decode()] for name, content in files]
        return ask(READ, files=files, rules=rules["rules"], rows=rows)

    return read_files


def npy(array, **options) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npz(save=np.savez, **arrays) -> bytes:
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


def csv(rows, names=None, by=",") -> bytes:
    lines = [by.join(names)] if names else []
    return "\n".join([*lines, *(by.join(map(repr, map(float, row))) for row in rows)]).encode()


def same(found, images=ROWS, texts=-ROWS, rtol=1e-15):
    assert "refused" not in found, found
    for rows, expected in zip(found["found"], (images, texts), strict=True):
        np.testing.assert_allclose(rows, np.asarray(expected, float).ravel(), rtol=rtol)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"])
def test_npy_of_every_width_order_and_endianness(read, kind, order):
    images, texts = (np.array(side, kind, order=order) for side in (ROWS, -ROWS))
    found = read(("images.npy", npy(images)), ("texts.npy", npy(texts)))
    same(found, images, texts)
    some = [2, 3, 11, 29]
    found = read(("images.npy", npy(images)), ("texts.npy", npy(texts)), rows=some)
    same(found, images[some], texts[some])


def test_half_precision_is_read_to_its_ends(read):
    odd = np.float16([[6e-8, -6e-5, 65504, 1 / 3, 0, -2]] * 30)
    same(read(("images.npy", npy(odd)), ("texts.npy", npy(-odd))), odd, -odd)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_npy(read, version):
    file = io.BytesIO()
    np.lib.format.write_array(file, ROWS, version=version)
    same(read(("images.npy", file.getvalue()), ("texts.npy", npy(-ROWS))))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("names", [("images", "texts"), ("txt_emb", "imageFeatures"), ("vision", "captions")])
def test_npz_under_the_names_that_the_library_takes(read, save, names):
    swapped = names[0] == "txt_emb"
    arrays = dict(zip(names, (-ROWS, ROWS) if swapped else (ROWS, -ROWS), strict=True))
    same(read(("pairs.npz", npz(save, **arrays, ids=np.arange(30)))))


def test_one_array_of_both_and_files_in_the_other_order(read):
    same(read(("pairs.npy", npy(np.stack([ROWS, -ROWS])))))
    found = read(("captions.npy", npy(-ROWS)), ("my_images.npy", npy(ROWS)))
    assert found["names"] == ["my_images.npy", "captions.npy"]
    same(found)
    found = read(("b.npy", npy(ROWS)), ("a.npy", npy(-ROWS)))  # names that say nothing: as they were chosen
    assert found["names"] == ["b.npy", "a.npy"]


def test_tables(read, tmp_path):
    names = [f"dim_{k}" for k in range(6)]
    vectors = "id,image_vec,text_vec\n" + "\n".join(
        f'{i},"{list(map(float, row))}","{list(map(float, -row))}"' for i, row in enumerate(ROWS)
    )
    both = csv(np.hstack([ROWS, -ROWS]), [f"{side}_{k}" for side in ("img", "txt") for k in range(6)])
    comma = csv(ROWS, names, ";").replace(b".", b",")
    for images, texts in (
        (("a.csv", csv(ROWS)), ("b.csv", csv(-ROWS))),
        (("a.csv", csv(ROWS, names)), ("b.tsv", csv(-ROWS, names, "\t"))),
        (
            ("a.csv", b"\xef\xbb\xbf" + csv(ROWS, names).replace(b"\n", b"\r\n")),
            ("b.csv", csv(-ROWS, by=" ")),
        ),
        (("a.csv", comma), ("b.csv", csv(-ROWS, list("uvwxyz")))),
    ):
        same(read(images, texts))
        for (name, content), expected in ((images, ROWS), (texts, -ROWS)):
            (tmp_path / name).write_bytes(content)
            np.testing.assert_allclose(
                read_embeddings(tmp_path / name), expected
            )  # the library reads the same
    same(read(("pairs.csv", vectors.encode())))
    same(read(("pairs.csv", both)))
    found = read(("a.csv", csv(ROWS)), ("b.csv", csv(-ROWS, names)), rows=[3, 5])
    same(found, ROWS[[3, 5]], -ROWS[[3, 5]])


def spoilt(row, value):
    rows = ROWS.copy()
    rows[row, 2] = value
    return npy(rows)


GOOD = npy(-ROWS)
DEFLATED = npz(np.savez_compressed, images=ROWS, texts=-ROWS)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    BAD = {
        "objects": ("a.npy", npy(np.array([[1.0, None]] * 30), allow_pickle=True), "pickled Python objects"),
        "pickle": ("a.npy", b"\x80\x04\x95abc", "is no .npy file but a pickle"),
        "whole numbers": ("a.npy", npy(np.ones((30, 6), int)), "scale and offset"),
        "codes": ("a.npy", npy(np.ones((30, 6), np.uint8)), "numpy.unpackbits"),
        "bits": ("a.npy", npy(np.ones((30, 6), bool)), "numpy.where"),
        "complex": ("a.npy", npy(np.ones((30, 6), complex)), "complex numbers"),
        "text": ("a.npy", npy(np.array([["x"] * 6] * 30)), "holds text"),
        "records": ("a.npy", npy(np.zeros(30, [("x", "f4"), ("y", "i4")])), "records"),
        "long": ("a.npy", npy(np.ones((30, 6), np.longdouble)), ".astype('float32')"),
        "nan": ("a.npy", spoilt(7, np.nan), "NaN or infinite value in row 7 (1 such row)"),
        "infinite": ("a.npy", spoilt(8, -np.inf), "NaN or infinite value in row 8"),
        "zero row": ("a.npy", npy(ROWS * (np.arange(30) != 4)[:, None]), "a zero row (4)"),
        "one dimension": ("a.npy", npy(ROWS[:, 0].copy()), "has shape (30)"),
        "three dimensions": ("a.npy", npy(ROWS.reshape(30, 3, 2)), "has shape (30, 3, 2)"),
        "no columns": ("a.npy", npy(np.ones((30, 0))), "has shape (30, 0)"),
        "too few rows": ("a.npy", npy(ROWS[:23]), "has 23 rows; at least 24 are needed"),
        "other columns": ("a.npy", npy(ROWS[:, :5]), "has 5 columns"),
        "empty": ("a.npy", b"", "is empty"),
        "head cut off": ("a.npy", GOOD[:9], "ends within its head"),
        "head spoilt": ("a.npy", GOOD.replace(b"'shape'", b"'shaep'"), "does not say what it holds"),
        "truncated": ("a.npy", GOOD[:-100], "100 of its bytes are missing"),
        "web page": ("a.npy", b"<!doctype html><html>Not found</html>", "a web page"),
        "pointer": ("a.npy", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        "zip named npy": ("a.npy", DEFLATED, "a zip archive"),
        "npy named npz": ("a.npz", GOOD, "a .npy file"),
        "npz cut off": ("a.npz", DEFLATED[:-200], "cut off"),
        "npz of two beside a file": ("a.npz", DEFLATED, "holds images, texts"),
        "parquet": ("a.parquet", b"PAR1", "python -m mgaplib report"),
        "safetensors": ("a.safetensors", b"x", "python -m mgaplib report"),
        "torch": ("a.pt", b"PK\x03\x04", "numpy.save"),
        "no ending": ("a", GOOD, "numpy.save"),
        "csv empty": ("a.csv", b"\n\n", "is empty"),
        "csv of names": ("a.csv", b"dim_0,dim_1\n", "no rows"),
        "csv of words": ("a.csv", b"name,url\n" + b"x,y\n" * 30, "its columns are name, url"),
        "csv ragged": ("a.csv", csv(ROWS) + b"\n1,2", "Line 31 of a.csv has 2 cells"),
        "csv with a word": ("a.csv", csv(ROWS[:29]) + b"\n1,2,3,n. a.,5,6", "“n. a.” in column 3"),
        "csv of whole numbers": ("a.csv", b"1,2,3,4,5,6\n" * 30, "scale and offset"),
        "csv with an index": (
            "a.csv",
            csv(np.column_stack([np.arange(30), ROWS])).replace(b".0,", b",", 30),
            "as an index does",
        ),
        "csv with a gap": ("a.csv", csv(ROWS).replace(b"%r" % float(ROWS[5, 2]), b""), "value in row 5"),
        "csv shortened": ("a.csv", b"v\n" + b'"[0.1 ... 0.2]"\n' * 30, "shortened when it was printed"),
        "page named csv": ("a.csv", b"<html>", "a web page"),
        "bytes named csv": ("a.csv", b"1,2\x00\x01", "of another kind"),
    }  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused_in_words_with_its_name_and_the_cure(read, kind):
    name, content, words = BAD[kind]
    said = read((name, content), ("b.npy", GOOD)).get("refused", "")
    assert words in said and name in said, said
    assert not any(trace in said for trace in ("undefined", "[object", "Error", ".js"))


@pytest.mark.parametrize(
    "files, words",
    [
        ([("a.npy", GOOD)] * 3, "3 files"),
        ([("a.npy", GOOD)], "one side is missing"),
        ([("a.npz", npz(u=ROWS, v=ROWS))], "not clear which two"),
        ([("a.npz", npz(images=ROWS, texts=ROWS.astype(int)))], "scale and offset"),
        ([("a.npy", npy(ROWS[:23])), ("b.npy", npy(ROWS[:23]))], "at least 24 are needed"),
        ([("a.npz", DEFLATED.replace(DEFLATED[60:90], bytes(30)))], "cannot be unpacked"),
    ],
)
def test_what_is_no_pair_of_sides_is_refused(read, files, words):
    assert words in read(*files)["refused"]


def test_an_encrypted_or_otherwise_packed_archive_is_refused(read):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("images.npy", GOOD)
    assert "packed in a way" in read(("a.npz", file.getvalue()))["refused"]


def test_of_a_file_of_3_gb_only_the_rows_that_are_drawn_are_read(ask, rules):
    """A blob that counts what is read of it, and holds nothing."""
    head = (
        npy(np.ones((2, 512), np.float32))[:128]
        .replace(b"(2, 512)", b"(1500000, 512)")
        .replace(b" " * 6, b"", 1)
    )
    found = ask(
        """const head = Uint8Array.from(atob(a.head), (c) => c.charCodeAt(0));
        let read = 0;
        const size = head.length + 1500000 * 2048;
        const part = (from, to) => {
          read += to - from;
          if (to <= head.length) return head.slice(from, to).buffer;
          return new Float32Array((to - from) / 4).fill(1 + from % 7).buffer;
        };
        const slice = (from, to) => ({ arrayBuffer: async () => part(from, Math.min(to, size)) });
        const blob = { size, slice };
        const table = await openNpy(blob, "a.npy");
        const rows = drawnOf(table.shape[0], 5000, 0);
        const matrix = await table.read(rows);
        return { read, shape: table.shape, length: matrix.length, rows: [...rows] }""",
        head=base64.b64encode(head).decode(),
    )
    assert found["shape"] == [1500000, 512] and found["length"] == 5000 * 512
    assert found["read"] < 5000 * 2048 + 1000
    assert len(set(found["rows"])) == 5000 and found["rows"] == sorted(found["rows"])


# --- numbers

MEASURED = """
const pairs = makePairs(floats(a.images), floats(a.texts), a.d);
const found = measure(pairs, a.options);
return { found, said: reading(found, a.say, 0.01) }"""


def permutation(n: int, seed: int, purpose: int) -> np.ndarray:
    """What the page calls `shuffled`."""
    return np.argsort(Draws(seed, purpose).uniform(n), kind="stable")


def several_captions(seed=3):
    """Forty pictures that stand there once for each of their three captions."""
    rng = np.random.default_rng(seed)
    pictures = rng.normal(size=(40, 12)) + 1.5 * np.eye(12)[0]
    return np.repeat(pictures, 3, axis=0), np.repeat(pictures, 3, axis=0) + rng.normal(
        size=(120, 12)
    ) + np.eye(12)[1]


@pytest.fixture(scope="module", params=[*MODELS, "captions", "no gap"])
def measured(request, ask, rules):
    """The numbers of the page and the pairs, as the library has them."""
    if request.param in MODELS:
        loaded = load_embeddings(request.param)
        images, texts = loaded.images, loaded.texts
    elif request.param == "captions":
        images, texts = several_captions()
    else:
        images, texts = np.random.default_rng(5).normal(size=(2, 60, 9))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # equal rows are one: that is what is tested
        pairs = Pairs(images, texts)
    found = said_of(ask, rules, images, texts)
    return found["found"], found["said"], pairs


def close(found, expected):
    assert found == pytest.approx(expected, abs=1e-5)


def test_metrics_are_the_librarys(measured):
    found, _, pairs = measured
    table = metrics.gap_report(pairs)
    assert (found["images"], found["texts"], found["pairs"]) == (
        len(pairs.images),
        len(pairs.texts),
        len(pairs),
    )
    assert len(found["metrics"]) == 12 + 6 + 1
    close(found["metrics"], {name: table.value[name] for name in found["metrics"]})
    for name in table.index[table.index.str.startswith("recall")]:
        close(found["intervals"][name], table.loc[name, ["low", "high"]].tolist())
        blind = float(table.meaning[name].removeprefix("blind guess: "))
        assert found["blind"][name] == pytest.approx(blind, rel=0.05)


def test_intervals_are_those_of_the_librarys_law_with_the_pages_draws(measured):
    found, _, pairs = measured
    n, draws, gaps = len(pairs), Draws(0, 3), []
    sides = pairs.images.astype(float), pairs.texts.astype(float)
    x, y = (group_sums(side, codes, n) for side, codes in zip(sides, pairs.codes, strict=True))
    k, m = (np.bincount(codes, minlength=n) for codes in pairs.codes)

    def mean_cosine(weights, a, b, of_a, of_b):
        own, both = weights**2 @ (a * b).sum(axis=1), weights**2 @ (of_a * of_b)
        return ((weights @ a) @ (weights @ b) - own) / ((weights @ of_a) * (weights @ of_b) - both)

    for _ in range(1000):
        w = np.bincount(np.floor(draws.uniform(n) * n).astype(int), minlength=n)
        within = mean_cosine(w, x, x, k, k) + mean_cosine(w, y, y, m, m)
        gaps.append(np.sqrt(max(within - 2 * mean_cosine(w, x, y, k, m), 0)))
    close(found["intervals"]["modality_gap"], np.percentile(gaps, [2.5, 97.5]).tolist())
    expected = metrics.gap_report(pairs).loc["modality_gap", ["low", "high"]].astype(float)
    assert found["intervals"]["modality_gap"] == pytest.approx(expected.tolist(), abs=0.25 * np.ptp(expected))


def test_chance_is_that_of_the_same_flips(measured):
    found, _, pairs = measured
    n = len(pairs)
    flips = np.where(Draws(0, 2).uniform(999 * n).reshape(999, n) < 0.5, -1.0, 1.0)
    x, y = (side.astype(float) for side in (pairs.images, pairs.texts))
    middle = 0 if pairs.groups is None else (x.mean(0) + y.mean(0)) / 2
    parts = np.zeros((n, x.shape[1]))
    for side, codes, sign in zip((x, y), pairs.codes, (1, -1), strict=True):
        np.add.at(parts, codes, sign * (side - middle) / len(side))
    lengths = np.linalg.norm(flips @ parts, axis=1)
    close(found["by_chance"]["high"], np.quantile(lengths, 0.95))
    gap = metrics.modality_gap(pairs)
    assert found["by_chance"]["p_value"] == (1 + np.count_nonzero(lengths >= gap - 1e-9)) / 1000


def test_cosines_and_thresholds_are_the_librarys(measured):
    found, _, pairs = measured
    own = partner_cosines(pairs)
    strangers = metrics.gap.strangers(pairs.images.astype(float), pairs.texts.astype(float), *pairs.codes)
    for name, values in (("matched pairs", own), ("random pairs", strangers)):
        close(
            found["scores"][name],
            {"mean": values.mean(), "low": np.quantile(values, 0.05), "high": np.quantile(values, 0.95)},
        )
    order = permutation(len(pairs), 0, 4)
    fit, test = (
        pairs.swapped.take(np.sort(half)) for half in (order[: len(order) // 2], order[len(order) // 2 :])
    )
    for at in found["thresholds"]:
        for per in ("pair", "query", "candidate"):
            try:
                if per == "query" and at["rate"] * len(fit) < 1:
                    raise ValueError("as in the report")
                threshold = calibrate(fit, None, at["rate"], per)
            except ValueError:
                assert per not in at
                continue
            close(at[per], {"score": threshold.value, "pool": threshold.pool, **threshold.measure(test)})


def parted(train, test) -> float:
    """What `metrics.linear_separability` does of halves that the page drew."""
    fit_on = np.concatenate(train).astype(float)
    centre = fit_on.mean(axis=0)
    spread = np.sqrt(np.mean((fit_on - centre) ** 2))
    plane, threshold = _logistic((fit_on - centre) / spread, np.repeat([-1.0, 1.0], [*map(len, train)]))
    return np.mean(
        [np.mean(((rows - centre) / spread @ plane > threshold) == side) for side, rows in enumerate(test)]
    )


def test_a_plane_parts_the_modalities_as_the_librarys_does(measured):
    found, _, pairs = measured
    order = permutation(len(pairs), 0, 9)
    halves = [pairs.take(np.sort(half)) for half in np.split(order, [len(order) // 2])]
    expected = parted(*((half.images, half.texts) for half in halves))
    assert found["separability"] == pytest.approx(expected, abs=1e-9)


def test_centring_is_judged_as_the_library_does(measured):
    found, _, pairs = measured
    runs = {"nothing": [], "Centring": []}
    for split in range(3):
        fit, test = (
            pairs.take(np.sort(half)) for half in np.array_split(permutation(len(pairs), split, 7), 2)
        )
        for name, side in (
            ("nothing", test),
            ("Centring", Pairs.trusted(*Centring().fit(fit).transform(test), test.groups)),
        ):
            runs[name].append(
                {"gap": metrics.modality_gap(side), **_judge(side, ScoreCalibration().fit(fit))}
            )
    for name, rows in runs.items():
        close(found["trial"][name], {key: np.mean([row[key] for row in rows]) for key in rows[0]})


def test_the_sentences_are_the_reports_own(measured, ask, rules):
    """Given the report's numbers, the page says what the report says, to the letter."""
    _, said, pairs = measured
    report = measure(pairs)
    judged, (n, m) = report.pairing, (len(pairs.images), len(pairs.texts))
    recalls = report.metrics[report.metrics.index.str.startswith("recall")]
    at = {per: {"score": t.value, "pool": t.pool, **held} for per, (t, held) in report.thresholds.items()}
    numbers = {
        **report.to_dict(),
        "aligned": pairs.groups is None,
        "pairs": report.pairs, "images": n, "texts": m,
        "by_chance": report.to_dict()["gap_by_chance"],
        "blind": {name: float(words.split()[-1]) for name, words in recalls.meaning.items()},
        "pairing": {"verdict": judged.verdict, "p_value": judged.p_value, "misfits": judged.misfits,
                    "of": report.pairs, "shufflings": 999, "order": None, "repeats": judged.repeats},
        "trial": {"nothing": report.corrections.loc["nothing"].to_dict(),
                  "index": round(len(pairs) // 2 / len(pairs) * (n + m)) - 1},
        "thresholds": [{"rate": 0.01, **at}],
    }  # fmt: skip
    again = ask(
        "return reading(a.found, a.say, 0.01)", found=json.loads(json.dumps(numbers)), say=rules["say"]
    )
    expected = [words for words, _ in reading.sentences(report)]
    ours = [words for words, _ in again]
    assert set(ours[1:]) < set(expected[1:])  # what corrections bring is the report's alone
    assert len(expected) - len(ours) == 1 and expected[0].startswith(ours[0].split(". ")[0])
    assert [chapter for _, chapter in said] == [chapter for _, chapter in again]


def exchanged(n: int, share: float) -> np.ndarray:
    """Rows of which a share have changed places, two and two."""
    rng, order = np.random.default_rng(2), np.arange(n)
    some = rng.choice(n, 2 * round(share * n / 2), replace=False)
    order[some] = some.reshape(-1, 2)[:, ::-1].ravel()
    return order


ORDERS = {
    "right": np.arange,
    "rolled by one": lambda n: np.roll(np.arange(n), 1),
    "half of it rolled": lambda n: np.r_[np.arange(n // 2), n // 2 + np.roll(np.arange(n - n // 2), -3)],
    "reversed": lambda n: np.arange(n)[::-1],
    "sorted by name": lambda n: np.array(sorted(range(n), key=lambda i: str(i + 1))),
    "2 % exchanged": lambda n: exchanged(n, 0.02),
    "5 % exchanged": lambda n: exchanged(n, 0.05),
    "40 % exchanged": lambda n: exchanged(n, 0.4),
    "random": lambda n: np.random.default_rng(4).permutation(n),
}


def said_of(ask, rules, images, texts, **options):
    return ask(
        MEASURED,
        images=text_of(images),
        texts=text_of(texts),
        d=images.shape[1],
        options=OPTIONS,
        say=rules["say"],
        **options,
    )


def as_surely(said: str) -> str:
    """A sentence but for the share of shufflings, of which the page draws its own."""
    return re.sub(r"\d+% of shufflings", "some of 999 shufflings", said)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", ["clip", "drawn"])
def test_the_pairing_is_judged_as_the_library_does(ask, rules, name, order):
    if name == "clip":
        loaded = load_embeddings(name)
        images, texts = loaded.images, loaded.texts
    else:
        rng = np.random.default_rng(2)
        images = rng.normal(size=(100, 16))
        texts = images + 0.3 * rng.normal(size=images.shape)
    texts = texts[ORDERS[order](len(texts))]
    found = said_of(ask, rules, images, texts)
    report = measure(images, texts)
    judged, page = report.pairing, found["found"]["pairing"]
    assert as_surely(found["said"][0][0]) == as_surely(" ".join(judged.words))
    assert (page["verdict"], page["misfits"]) == (judged.verdict, pytest.approx(judged.misfits))
    assert (page["order"] or {"rows": []})["rows"] == judged.misplaced
    lost = any("cannot be told without pairs" in words for words, _ in found["said"])
    assert lost == judged.lost


def test_rows_that_repeat_are_said_as_the_library_does(ask, rules):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(80, 12))
    texts = images + 0.3 * rng.normal(size=images.shape)
    texts[10:14] = texts[0] * [[1], [1 + 1e-9], [2], [1]]
    images[[3, 50]] = images[7] + 1e-8
    expected = measure(images, texts).pairing
    assert expected.repeats == (2, 4)
    assert said_of(ask, rules, images, texts)["said"][0][0] == " ".join(expected.words)
    alike = np.ones((50, 3)) + 1e-5 * rng.normal(size=(50, 3))  # in one point, and not the same
    assert said_of(ask, rules, alike, texts[:50, :3])["found"]["pairing"]["repeats"] == [0, 4]


@pytest.mark.parametrize("how", ["tiled", "in turn"])
def test_captions_in_another_order_than_their_pictures_are_noticed(ask, rules, how):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 16))
    y = np.repeat(x, 5, axis=0) + 0.2 * rng.normal(size=(200, 16))
    images = np.tile(x, (5, 1)) if how == "tiled" else np.repeat(x, 5, axis=0)
    texts = y if how == "tiled" else y.reshape(40, 5, 16).swapaxes(0, 1).reshape(200, 16)
    expected = measure(images, texts).pairing
    assert "fit better if the texts are read as" in expected.words[1]
    said = said_of(ask, rules, images, texts)["said"][0][0]
    assert as_surely(said) == as_surely(" ".join(expected.words))


@pytest.mark.parametrize("hits, n, share", [(0, 10, 0.3), (1, 1, 0.5), (7, 40, 0.05), (40, 900, 0.02)])
def test_a_binomial_tail_is_exact(ask, hits, n, share):
    found = ask("return atLeast(a.hits, a.n, a.share)", hits=hits, n=n, share=share)
    assert found == pytest.approx(_at_least(hits, n, share), rel=1e-9)


# --- unequally many


BLOCKS = """
const pairs = makePairs(floats(a.images), floats(a.texts), a.d, true);
const found = measure(pairs, a.options);
return { found, said: reading(found, a.say, 0.01), fit: fitOfBlocks(floats(a.few), floats(a.many), a.d) }"""


@pytest.mark.parametrize("many", ["texts", "images"])
def test_so_many_rows_for_each_of_the_other_side_are_measured_as_groups(ask, rules, many):
    rng = np.random.default_rng(3)
    few = rng.normal(size=(40, 12)) + 1.5 * np.eye(12)[0]
    rows = np.repeat(few, 5, axis=0) + rng.normal(size=(200, 12)) - 2 * np.eye(12)[0]
    rows[3] = rows[2]  # equal rows of one group are one
    of_many = np.repeat(np.arange(40), 5)
    images, texts = (few, rows) if many == "texts" else (rows, few)
    groups = (np.arange(40), of_many) if many == "texts" else (of_many, np.arange(40))
    found = ask(
        BLOCKS,
        images=text_of(images), texts=text_of(texts), few=text_of(few), many=text_of(rows),
        d=12, options=OPTIONS, say=rules["say"],
    )  # fmt: skip
    report = measure(images, texts, groups=groups)
    page = found["found"]
    assert (page["pairs"], page["images"], page["texts"]) == (40, *report.sizes)
    close(page["metrics"], {name: report.metrics.value[name] for name in page["metrics"]})
    assert len(page["metrics"]) == 19 and found["fit"] > 6
    expected = [words for words, _ in reading.sentences(report)]
    ours = [words for words, _ in found["said"]]
    for k, place in ((0, 0), (1, 1), (4, 4)):  # of pairing, partners and retrieval: nothing there is drawn
        assert ours[k].replace("\xa0", " ") == expected[place]


def test_blocks_are_told_from_rows_that_have_nothing_to_do_with_one_another(ask):
    rng = np.random.default_rng(0)
    fits = []
    for _ in range(5):
        few, many = rng.normal(size=(30, 8)) + 1, rng.normal(size=(120, 8)) - 1
        fits.append(ask("return fitOfBlocks(floats(a.x), floats(a.y), 8)", x=text_of(few), y=text_of(many)))
    assert max(fits) < 4


def test_two_sets_without_partners_are_measured_for_what_needs_none(ask, rules):
    rng = np.random.default_rng(6)
    images, texts = rng.normal(size=(70, 9)) + 1, rng.normal(size=(45, 9)) - 1
    texts[5] = texts[4]
    report = measure(images, texts)
    assert report.relation == "unequal"
    found = said_of(ask, rules, images, texts)
    page = found["found"]
    assert (page["pairs"], page["images"], page["texts"], page["trial"]) == (0, 70, 45, None)
    table = report.metrics
    close(page["metrics"], {name: table.value[name] for name in page["metrics"]})
    assert set(page["metrics"]) == {
        "modality_gap", "modality_gap (unbiased)", "squared gap", "centre_angle", "mismatched cosine",
        "mean_cosine (images)", "mean_cosine (texts)",
    }  # fmt: skip
    for name, ends in page["intervals"].items():
        expected = table.loc[name, ["low", "high"]].astype(float)
        assert ends == pytest.approx(expected.tolist(), abs=0.3 * np.ptp(expected))
    assert set(page["intervals"]) == set(page["metrics"])
    close(page["scores"]["random pairs"], report.scores["random pairs"])
    assert set(page["scores"]) == set(report.scores)
    said, expected = ([words for words, _ in both] for both in (found["said"], report.reading))
    assert said[:2] == expected[:2] and len(said) == len(expected) == 5
    numbers = re.compile(r"\d+(\.\d+)?")
    for ours, theirs in zip(said, expected, strict=True):  # what is drawn differs, the words do not
        assert numbers.sub("#", ours) == numbers.sub("#", theirs)
    halves = [np.array_split(permutation(n, side, 4), 2) for side, n in enumerate((70, 45))]
    x, y = report.images, report.texts
    by_plane = [np.split(permutation(n, side, 9), [n // 2]) for side, n in enumerate((70, 45))]
    planes = ((x[by_plane[0][k]], y[by_plane[1][k]]) for k in (0, 1))
    assert page["separability"] == pytest.approx(parted(*planes), abs=1e-9)
    fit, test = ((y[halves[1][k]] @ x[halves[0][k]].T).ravel() for k in (0, 1))
    at = next(one for one in page["thresholds"] if one["rate"] == 0.01)["pair"]
    threshold = of_strangers(fit, 0.01, "pair", 35)
    assert at["score"] == pytest.approx(threshold.value, abs=1e-9) and at["pool"] == 35
    assert at["false_positive_rate"] == pytest.approx(np.mean(test > threshold.value))


def test_quantiles_need_no_sorting(ask):
    rng = np.random.default_rng(0)
    for values in (
        rng.normal(size=1001),
        np.arange(50.0),
        np.arange(40.0)[::-1],
        np.ones(7),
        np.array([3.0]),
    ):
        for share in (0, 0.05, 0.5, 0.95, 1):
            found = ask("return quantile(floats(a.x), a.share)", x=text_of(values), share=share)
            assert found == pytest.approx(np.quantile(values, share), abs=1e-12)


# --- the landscape


@pytest.mark.parametrize("name", ["clasp", "videoclip"])
def test_the_explorers_tables_are_those_of_python(ask, name):
    loaded = load_embeddings(name)
    pairs = Pairs(loaded.images, loaded.texts)
    explorer = GapExplorer(pairs)
    stops = {
        "shifts": SHIFTS.round(6).tolist(),
        "curve_shifts": CURVE_SHIFTS.round(6).tolist(),
        "taus": TAUS.tolist(),
    }
    found = ask(
        """const pairs = makePairs(floats(a.images), floats(a.texts), a.d);
        const land = readLandscape(tabulate(pairs, a.stops));
        const { gapLength, own, p, q } = land.pairs;
        const engine = makeLandscape(land);
        return {
          gapLength, own: [...own], p: [...p], q: [...q], gram: [...land.pairs.gram],
          squared: [...land.squaredGaps], across: [...land.pairs.acrossImages],
          curves: a.stops.taus.map((tau) => engine.curve(tau).map((way) => [...way])),
          shares: a.stops.shifts.map((shift) => land.shares(shift)) }""",
        images=text_of(loaded.images),
        texts=text_of(loaded.texts),
        d=loaded.images.shape[1],
        stops=stops,
    )
    land = landscape.ShiftLandscape(pairs, dtype="float64")
    close(found["gapLength"], land.gap_length)
    for key, expected in (
        ("own", np.diag(land.gram)),
        ("p", land.p),
        ("q", land.q),
        ("squared", land.modality_gap(SHIFTS) ** 2),
    ):
        np.testing.assert_allclose(found[key], expected, atol=1e-6)
    np.testing.assert_allclose(found["gram"], land.gram.ravel(), atol=2e-5)
    there = np.frombuffer(explorer.data["across_images"], "<f8")
    assert abs(np.corrcoef(found["across"], there)[0, 1]) > 0.99
    ways = [land.loss(CURVE_SHIFTS, TAUS, direction=way).T for way in ("image_to_text", "text_to_image")]
    np.testing.assert_allclose(found["curves"], np.stack(ways, axis=1), rtol=1e-5, atol=1e-5)
    expected = [explorer._matches["recall_image_to_text"].share(shift) for shift in SHIFTS]
    np.testing.assert_allclose(
        [share["recall_image_to_text"] for share in found["shares"]], expected, atol=1e-9
    )
    explorer.close()


def test_several_captions_of_a_picture_all_count_in_the_tables(ask):
    """100 pictures, five captions each: what the explorer draws is what the metrics say with groups."""
    rng = np.random.default_rng(3)
    meaning = rng.normal(size=(100, 12))
    images = meaning + 0.4 * rng.normal(size=(100, 12)) + 1
    texts = np.repeat(meaning, 5, axis=0) + 0.8 * rng.normal(size=(500, 12)) - 1
    pairs = Pairs(images, texts, groups=np.repeat(np.arange(100), 5))
    shifts, taus = [-0.5, 0.0, 0.5, 1.0], [0.01, 0.02, 0.1, 0.2, 1.0]
    found = ask(
        """const pairs = makePairs(floats(a.images), floats(a.texts), a.d, true);
        const land = readLandscape(tabulate(pairs, a.stops));
        const engine = makeLandscape(land);
        return {
          sizes: [land.n, land.m, land.pairs.belongs.pairs[0].length],
          curves: a.stops.taus.map((_, k) => engine.curve(a.stops.taus[k]).map((way) => [...way])),
          numbers: a.stops.shifts.map((shift) => engine.metrics(shift, 0.02)),
          gaps: [...land.squaredGaps] }""",
        images=text_of(images),
        texts=text_of(texts),
        d=12,
        stops={"shifts": shifts, "curve_shifts": shifts, "taus": taus},
    )
    assert found["sizes"] == [100, 500, 500]
    land = landscape.ShiftLandscape(pairs, dtype="float64")
    for k, shift in enumerate(shifts):
        moved = landscape.shift(pairs, None, shift)
        moved = Pairs(*moved, groups=np.repeat(np.arange(100), 5))
        numbers = found["numbers"][k]
        assert numbers["recall_image_to_text"] == pytest.approx(metrics.recall_at_k(moved), abs=1e-9)
        assert numbers["recall_text_to_image"] == pytest.approx(metrics.recall_at_k(moved.swapped), abs=1e-9)
        assert numbers["loss"] == pytest.approx(land.loss([shift], [0.02])[0, 0], abs=1e-4)
        assert found["gaps"][k] == pytest.approx(metrics.modality_gap(moved) ** 2, abs=1e-9)
        for tau, both in zip(taus, found["curves"], strict=True):
            for way, curve in zip(("image_to_text", "text_to_image"), both, strict=True):
                expected = land.loss([shift], [tau], direction=way)[0, 0]
                assert curve[k] == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert 0.1 < found["numbers"][1]["recall_image_to_text"] < 1


def test_products_are_right_whatever_their_shapes_and_equal_rows_have_equal_ones(ask):
    rng = np.random.default_rng(2)
    for n, m, d in ((1, 1, 1), (5, 7, 3), (33, 18, 40), (6, 9000, 2)):
        x, y = rng.normal(size=(n, d)), rng.normal(size=(m, d))
        y[-1] = y[0]
        table = ask("return [...allProducts(floats(a.x), floats(a.y), a.d)]", x=text_of(x), y=text_of(y), d=d)
        table = np.reshape(table, (n, m))
        np.testing.assert_allclose(table, x @ y.T, atol=1e-12)
        assert np.array_equal(table[:, 0], table[:, -1])


@pytest.mark.parametrize("name", ["clip", "clasp"])
def test_what_comes_with_the_page_is_nearly_what_it_stands_for(name):
    loaded = load_embeddings(name)
    pairs = Pairs(loaded.images, loaded.texts)
    sent = coded(pairs)
    codes = np.frombuffer(sent["codes"], "i1").reshape(2, *pairs.shape).astype(float)
    offset, scale = (np.frombuffer(sent[key], "<f4").reshape(2, 1, -1) for key in ("offset", "scale"))
    near = Pairs(*(codes * scale + offset))
    assert np.abs(near.images @ near.texts.T - pairs.images @ pairs.texts.T).max() < 5e-3
    assert metrics.modality_gap(near) == pytest.approx(metrics.modality_gap(pairs), abs=1e-3)
