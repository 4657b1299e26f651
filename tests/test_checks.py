"""What is refused at the door, and what the message names."""

import pathlib
import re
import subprocess
import sys

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import traitlets
from hypothesis import given

from mgaplib import checks, corrections, landscape, metrics, report, widgets
from mgaplib.dynamics import gradient_flow

GOOD = np.array([[3.0, 4.0], [0.0, 2.0]])


def with_value(value):
    array = GOOD.copy()
    array[1, 0] = value
    return array


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (
            np.ones((2, 3), int),
            TypeError,
            r"faces holds int64.*scale and offset, \(numpy.asarray\(faces, 'float32'\) - offset\) \* scale",
        ),
        (np.ones((2, 3), bool), TypeError, "faces holds bool"),
        (np.array([["a", "b"], ["c", "d"]]), TypeError, "holds <U1; pass a 2-D array of floats"),
        (np.ones((2, 3), complex), TypeError, "complex128"),
        (np.ones(3), ValueError, r"shape \(3,\); pass a 2-D array"),
        (np.ones((2, 2, 2)), ValueError, r"shape \(2, 2, 2\)"),
        (np.ones((1, 3)), ValueError, "1 rows; at least 2"),
        (np.ones((0, 3)), ValueError, "0 rows"),
        (np.ones((2, 0)), ValueError, r"shape \(2, 0\)"),
        (with_value(np.nan), ValueError, r"NaN or infinite value in row 1 \(1 such rows\); drop"),
        (with_value(np.inf), ValueError, "NaN or infinite value in row 1"),
        (GOOD * [[1], [0]], ValueError, r"zero row \(1\).*no direction"),
    ],
)
def test_bad_embeddings_are_refused_by_name(bad, error, message):
    with pytest.raises(error, match=f"^faces.*|{message}") as caught:
        checks.embeddings(bad, "faces")
    assert caught.match(message)


def test_rows_are_scaled_and_the_input_is_left_alone():
    before = GOOD.copy()
    assert np.allclose(checks.embeddings(GOOD, "x"), [[0.6, 0.8], [0, 1]])
    assert np.array_equal(GOOD, before)


def test_unnormalised_on_request():
    assert np.array_equal(checks.embeddings(GOOD, "x", normalize=False), GOOD)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_half_precision_is_upcast_and_other_precision_kept(kind):
    wanted = np.float32 if kind is np.float16 else kind
    assert checks.embeddings(GOOD.astype(kind), "x").dtype == wanted


@pytest.mark.parametrize("scale", [1e-30, 1e-42, 1e30, 3e38])
def test_rows_too_short_or_long_to_square_keep_their_direction(scale):
    rows = np.array([[3.0, 4.0], [0.0, 2.0]], np.float32) / 4 * np.float32(scale)
    assert np.allclose(
        checks.embeddings(rows, "x"), [[0.6, 0.8], [0, 1]], atol=2e-2 if scale < 1e-38 else 1e-6
    )


def test_tensors_are_taken():
    import torch

    wanted = checks.embeddings(GOOD, "x")
    for kind in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        tensor = torch.tensor(GOOD, dtype=kind, requires_grad=True)
        assert np.allclose(checks.embeddings(tensor, "x"), wanted, atol=2e-3)
    with pytest.raises(TypeError, match="x holds int64"):
        checks.embeddings(torch.tensor([[1, 2], [3, 4]]), "x")


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64]),
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6),
        elements=st.floats(-1e6, 1e6, width=32),
    )
)
def test_what_passes_has_unit_rows(array):
    if not np.abs(array).max(axis=1).all():
        with pytest.raises(ValueError, match="zero row"):
            checks.embeddings(array, "x")
    else:
        assert np.allclose(np.linalg.norm(checks.embeddings(array, "x"), axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 2), (2, 3)])
def test_pairs_of_two_shapes_are_refused_with_both(shape):
    with pytest.raises(ValueError, match=r"images has shape \(2, 2\) and texts \(\d, \d\)"):
        checks.pairs(GOOD, np.ones(shape))


@pytest.mark.parametrize("tau", [0, -0.01, np.nan, np.inf])
def test_a_temperature_is_positive_and_finite(tau):
    with pytest.raises(ValueError, match="a temperature is a positive number"):
        checks.temperature(tau)


@pytest.mark.parametrize("tau", [100, np.log(100), 14.3, 3.01])
def test_what_can_only_be_a_logit_scale_is_no_temperature_anywhere(tau):
    rng = np.random.default_rng(0)
    x, land = rng.normal(size=(30, 4)), landscape.ShiftLandscape(X, Y)
    calls = [
        lambda: metrics.contrastive_loss(X, Y, tau),
        lambda: metrics.logit_entropy(X, Y, tau),
        lambda: metrics.gap_report(X, Y, tau),
        lambda: metrics.GapAccumulator(tau=tau),
        lambda: land.loss(0, [0.01, tau]),
        lambda: land.minimum(tau),
        lambda: report.measure(x, -x, tau=tau),
        lambda: gradient_flow.integrate(X, Y, tau, [0, 1]),
        lambda: widgets.GapExplorer(X, Y, tau=tau),
        lambda: widgets.SphereExplorer(tau=tau),
    ]
    for call in calls:
        with pytest.raises(
            (ValueError, traitlets.TraitError),
            match=f"taus? is .*pass {1 / tau:.3g}.*pass {np.exp(-tau):.3g}",
        ):
            call()


def test_an_unknown_name_gets_the_nearest_ones():
    with pytest.raises(ValueError, match="unknown direction 'image_to_txt'; did you mean 'image_to_text'"):
        checks.known("image_to_txt", ["image_to_text", "text_to_image"], "direction")
    with pytest.raises(ValueError, match="'a' or 'b'"):
        checks.known("zzz", ["a", "b"], "letter")


X, Y = np.eye(6), np.roll(np.eye(6), 1, axis=1) + 0.1


@pytest.mark.parametrize("bad", ["abc", None, [0.1, 0.2], np.nan, np.inf, 1e-320, -1])
def test_numbers_that_make_no_sense_are_named(bad):
    land = landscape.ShiftLandscape(X, Y)
    calls = {
        "tau": [lambda: metrics.contrastive_loss(X, X, bad), lambda: land.minimum(bad)],
        "k": [lambda: metrics.recall_at_k(X, X, bad), lambda: land.recall(0.0, bad)],
        "t": [lambda: metrics.uniformity(X, bad)],
        "alpha": [lambda: metrics.alignment(X, X, bad)],
        "block_size": [lambda: metrics.contrastive_loss(X, X, 0.1, block_size=bad)]
        if bad is not None
        else [],
        "seed": [lambda: metrics.linear_separability(X, X, bad)],
        "variance": [lambda: corrections.ProjectedShift(variance=bad).fit(X, Y)] if bad != 1e-320 else [],
        "ridge": [lambda: corrections.Procrustes(ridge=bad).fit(X, Y)] if bad != 1e-320 else [],
    }
    for name, attempts in calls.items():
        for attempt in attempts:
            with pytest.raises(ValueError, match=f"^{name} is "):
                attempt()


@pytest.mark.parametrize("k", [1.5, 0, 7, "two"])
def test_k_counts_candidates(k):
    with pytest.raises(ValueError, match="^k is .*pass 1 to 6"):
        metrics.recall_at_k(X, X, k)


def test_a_landscape_refuses_what_is_no_row_of_numbers():
    land = landscape.ShiftLandscape(X, Y)
    for bad in ([], [[0.1, 0.2]], [0.1, [0.2]]):
        with pytest.raises(ValueError, match="^taus is .*pass one number, or several in a row"):
            land.loss(0.0, bad)
        with pytest.raises(ValueError, match="^shifts is "):
            land.modality_gap(bad)
    for bad in ((1, 0), (0, 1, 2), 3.0, (0, 0)):
        with pytest.raises(ValueError, match="^bounds is .*lowest and the highest"):
            land.minimum(0.1, bounds=bad)
    with pytest.raises(ValueError, match="^shifts is .*finite number"):
        land.loss(1e200, 0.1)


@pytest.mark.parametrize(
    ("bad", "kind", "words"),
    [
        ([[1.0, 2.0], [1.0]], ValueError, "rows of different lengths"),
        ([[1, 2], [3, 4]], TypeError, r"numpy.asarray\(x, 'float32'\) - offset"),
        (None, TypeError, "is of type NoneType"),
        ([["a", "b"], ["c", "d"]], TypeError, "is of type list and holds <U1"),
        (scipy.sparse.eye(4), TypeError, r"sparse; pass x.toarray\(\)"),
        (np.ma.masked_less(np.eye(4), 0.5), ValueError, "masked entries"),
    ],
)
def test_what_is_no_array_of_floats_is_refused_with_a_cure_that_works(bad, kind, words):
    with pytest.raises(kind, match=words):
        metrics.mean_cosine(bad)


def test_a_centroid_without_direction_is_named():
    x = np.array([[1.0, 0.0], [-1.0, 0.0]])
    with pytest.raises(ValueError, match="the centroid of images is zero"):
        metrics.centre_angle(x, np.eye(2))


def rows_of_some(values):
    """A series in which one row is not like the others."""
    return pd.Series([np.ones(3), np.ones(3), *values])


@pytest.mark.parametrize(
    ("bad", "kind", "words"),
    [
        (rows_of_some([None]), TypeError, "no vector in row 2 but None; drop it"),
        (rows_of_some([np.nan]), TypeError, "no vector in row 2 but nan"),
        (rows_of_some(["[0.1, 0.2]"]), TypeError, r"no vector in row 2 but '\[0.1, 0.2\]'; parse it"),
        (rows_of_some([np.ones(3), np.ones(4)]), ValueError, r"of shape \(3,\) first and \(4,\) in row 3"),
        ([np.ones((5, 3)), np.ones((4, 3))], ValueError, "join batches with numpy.concatenate"),
        ([[1.0, 2.0], [None, 1.0]], ValueError, "NaN or infinite value in row 1"),
        (
            pd.DataFrame({"id": [1, 2], "a": [0.1, 0.2], "b": [0.3, 0.4]}),
            TypeError,
            r"no floats, 'id' \(int64\); leave",
        ),
        (
            pd.DataFrame({"caption": ["a", "b"], "v": list(np.eye(2))}),
            TypeError,
            r"'caption'.*pass the one column",
        ),
        (
            pd.DataFrame({"a": [0.1, None], "b": [0.3, 0.4]}).convert_dtypes(),
            ValueError,
            "NaN or infinite value in row 1",
        ),
        (
            pd.DataFrame(np.ones((2, 3), np.int8)),
            TypeError,
            "x holds int8.*scale and offset.*numpy.unpackbits",
        ),
        ({"images": np.eye(2)}, TypeError, "is of type dict"),
        ((row for row in np.eye(2)), TypeError, "is of type generator"),
    ],
)
def test_rows_that_are_not_there_are_named(bad, kind, words):
    with pytest.raises(kind, match=words):
        metrics.mean_cosine(bad)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.int32])
def test_the_cure_for_codes_gives_the_embeddings_back(kind):
    x = np.random.default_rng(0).normal(size=(50, 64)).astype(np.float32)
    x += np.linspace(0, 2, 64, dtype=np.float32)
    low, high = (
        np.iinfo(np.int16 if kind is np.int32 else kind).min,
        np.iinfo(np.int16 if kind is np.int32 else kind).max,
    )
    scale = (x.max(axis=0) - x.min(axis=0)) / (high - low)  # a pair of numbers a column
    offset = low - x.min(axis=0) / scale
    codes = np.round(x / scale + offset).clip(low, high).astype(kind)
    with pytest.raises(TypeError) as told:
        metrics.mean_cosine(codes)
    cure = re.search(r"scale and offset, (\(.*?\) \* scale)", str(told.value))[1]
    undone = eval(cure, {"numpy": np, "x": codes, "offset": offset, "scale": scale})
    assert metrics.mean_cosine(undone) == pytest.approx(metrics.mean_cosine(x), abs=0.02)
    assert "astype('float32')" not in str(told.value).split(";")[0]


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_the_cure_for_packed_bits_gives_the_bits_back(kind):
    bits = np.random.default_rng(0).normal(size=(50, 64)) > 0.3
    packed = np.packbits(bits, axis=1)
    if kind is np.int8:  # as sentence-transformers packs them
        packed = (packed.astype(np.int16) - 128).astype(np.int8)
    with pytest.raises(TypeError) as told:
        metrics.mean_cosine(packed)
    cure = re.search(r"packed bits, pass (.*)$", str(told.value))[1]
    np.testing.assert_array_equal(eval(cure, {"numpy": np, "x": packed}), np.where(bits, 1.0, -1.0))
    with pytest.raises(TypeError, match=r"pass numpy.where\(x, 1.0, -1.0\)"):
        metrics.mean_cosine(bits)


def test_what_is_not_wrong_where_it_lies_is_told_by_its_row_in_any_block(monkeypatch):
    x = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float16)
    whole = checks.embeddings(x, "x")
    monkeypatch.setattr(checks, "_BLOCK", 8)
    np.testing.assert_array_equal(checks.embeddings(x, "x"), whole)
    for value, words in ((np.nan, "row 71 .2 such"), (0, "zero row .71.")):
        bad = x.copy()
        bad[[71, 89]] = value
        with pytest.raises(ValueError, match=words):
            checks.embeddings(bad, "x")


def test_a_mapped_file_is_let_go_only_if_nobody_writes_to_it(tmp_path):
    x = np.random.default_rng(0).normal(size=(90, 4))
    np.save(tmp_path / "x.npy", x)
    for mode in ("r", "r+", "c"):
        mapped = np.load(tmp_path / "x.npy", mmap_mode=mode)
        if mode != "r":
            mapped[3] = 5.0
        metrics.mean_cosine(mapped)
        np.testing.assert_array_equal(checks.drawn(checks.rows(mapped, "x"), np.array([3, 7]))[0], mapped[3])
        assert (mapped[3] == 5).all() == (mode != "r")


def test_a_table_is_never_measured_by_its_columns():
    x = np.random.default_rng(0).normal(size=(60, 64)) + 1
    table = [pd.DataFrame(side) for side in (x, -x)]
    wanted = report.measure(x, -x, max_pairs=30).metrics.value["modality_gap"]
    assert report.measure(*table, max_pairs=30).metrics.value["modality_gap"] == wanted


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux keeps to RLIMIT_AS")
@pytest.mark.parametrize(
    ("call", "cure"),
    [
        ("metrics.score_gap(x, x)", "pass fewer rows"),
        ("ShiftLandscape(x, 1 - x)", 'pass fewer pairs, some drawn at random, or dtype="float32"'),
    ],
)
def test_what_does_not_fit_into_memory_says_what_to_do(call, cure):
    code = f"""
import resource
import numpy as np
from mgaplib import metrics
from mgaplib.landscape import ShiftLandscape
x = np.random.default_rng(0).normal(size=(30_000, 4))
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
try:
    {call}
except MemoryError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Unable to allocate" in done.stdout and cure in done.stdout


@pytest.mark.parametrize(
    ("call", "cure"),
    [
        (lambda x: metrics.gap_report(x, -x), "pass fewer rows"),
        (lambda x: report.measure(x, -x), "no room; lower max_pairs"),
        (lambda x: report.measure_several({"image": x, "text": -x, "audio": x}), "no room; lower max_rows"),
    ],
)
def test_the_outermost_function_names_its_own_argument(call, cure, monkeypatch):
    def full(*_):
        raise MemoryError("no room")

    monkeypatch.setattr(metrics.gap, "strangers", full)
    monkeypatch.setattr(metrics.several, "centroid_polygon", full)
    monkeypatch.setattr(metrics, "centroid_polygon", full)
    with pytest.raises(MemoryError, match=cure):
        call(np.random.default_rng(0).normal(size=(60, 6)) + 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda torch: torch.nested.nested_tensor([torch.ones(3), torch.ones(2)]), "no plain tensor"),
        (lambda torch: torch.empty(5, 3, device="meta"), "its data loaded"),
        (lambda torch: torch.ones(5, 3, dtype=torch.complex64).conj(), "conjugate"),
        (lambda torch: torch.quantize_per_tensor(torch.ones(5, 3), 0.1, 0, torch.qint8), "dequantized"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_tensor_that_is_no_plain_array_is_named(make, message):
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=f"images is .*{message}"):
        metrics.modality_gap(make(torch), np.ones((5, 3)))


def test_a_sparse_data_frame_means_its_rows():
    rows = np.random.default_rng(0).normal(size=(9, 4)) * [1, 0, 1, 1]
    sparse = pd.DataFrame(rows).astype(pd.SparseDtype("float64", 0.0))
    assert np.array_equal(checks.rows(sparse, "images"), rows)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ("images.npy", TypeError, "images is a name, 'images.npy'; read it, with embeddings.read_embeddings"),
        (pathlib.Path("a.npy"), TypeError, "read it"),
        (np.ones((5, 0)), ValueError, "shape (5, 0); pass a 2-D array"),
    ],
)
def test_what_is_no_rows_is_said_to_be_none(values, error, message):
    with pytest.raises(error, match=re.escape(message)):
        metrics.modality_gap(values, np.ones((5, 3)))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (pd.array([0, 1, 1, None], dtype="Int64"), "no label for row 3"),
        (pd.Series([pd.NaT] * 4), "no label for row 0"),
        (pd.array(["a", "b", None, "b"], dtype="string"), "no label for row 2"),
        (np.arange(4)[:, None], "4 x 1 labels for the 4 rows"),
    ],
)
def test_labels_that_are_missing_or_no_row_are_named(groups, message):
    x = np.random.default_rng(0).normal(size=(4, 3))
    with pytest.raises(ValueError, match=message):
        metrics.modality_gap(x, x + 1, groups=groups)
