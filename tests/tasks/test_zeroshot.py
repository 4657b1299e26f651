import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import binomtest, ortho_group

from mgaplib import landscape, models
from mgaplib.tasks import zeroshot
from mgaplib.training import save_checkpoint
from mgaplib.worlds import shapeworld


def task(n=60, classes=5, d=12, seed=0):
    """Pictures around their classes, on the far side of a gap."""
    rng = np.random.default_rng(seed)
    prompts, labels = rng.normal(size=(classes, d)), rng.integers(0, classes, n)
    offset = rng.normal(size=d)
    return prompts[labels] + 0.8 * rng.normal(size=(n, d)) + offset, labels, prompts - offset


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


# Prompts and classes


def test_a_template_is_filled_for_each_class():
    assert zeroshot.prompts(["cat", "a {dog}"], 'the "{}".') == ['the "cat".', 'the "a {dog}".']


def test_an_ensemble_is_the_mean_of_unit_embeddings_made_unit_again():
    model = models.load_clip("MiniCLIP-24", seed=3)
    both = zeroshot.class_embeddings(model, ["red", "blue"], ["a {} ring", "a {}"])
    parts = [model.encode_texts(texts) for texts in (["a red ring", "a blue ring"], ["a red", "a blue"])]
    np.testing.assert_allclose(both, unit(np.mean(parts, axis=0)), atol=1e-6)
    one = zeroshot.class_embeddings(model, ["red", "blue"], "a {}")
    np.testing.assert_allclose(one, parts[1], atol=1e-6)


# Scores and shifts


@pytest.mark.parametrize("delta", [-5.0, -0.5, 0.25, 0.75, 4.75])
def test_a_shift_is_the_papers(delta):
    images, _, classes = task()
    x, c = unit(images), unit(classes)
    gap = x.mean(axis=0) - c.mean(axis=0)
    step = delta / 2 * gap / np.linalg.norm(gap)
    expected = unit(x - step) @ unit(c + step).T
    np.testing.assert_allclose(zeroshot.scores(images, classes, delta), expected, atol=1e-12)


def test_with_as_many_classes_as_pictures_it_is_the_landscapes_shift():
    images, _, _ = task(20)
    classes = task(20, seed=1)[0] - 3
    moved = landscape.shift(images, classes, 0.6, convention="delta")
    np.testing.assert_allclose(zeroshot.scores(images, classes, 0.6), moved[0] @ moved[1].T, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(-3, 3))
def test_a_rotation_and_a_scale_change_nothing(seed, delta):
    images, labels, classes = task(seed=seed)
    turn = ortho_group.rvs(12, random_state=seed)
    plain = zeroshot.scores(images, classes, delta)
    np.testing.assert_allclose(
        zeroshot.scores(3 * images @ turn, 0.2 * classes @ turn, delta), plain, atol=1e-9
    )


def test_accuracy_counts_and_roc_auc_is_the_share_of_pairs_in_order():
    images, labels, classes = task(classes=2, n=80)
    images = images + 2 * np.random.default_rng(1).normal(size=images.shape)
    x, c = unit(images), unit(classes)
    assert zeroshot.accuracy(images, labels, classes) == np.mean((x @ c.T).argmax(axis=1) == labels)
    difference = (x @ c.T) @ [-1, 1]
    pairs = difference[labels == 1][:, None] - difference[labels == 0]
    expected = np.mean((pairs > 0) + 0.5 * (pairs == 0))
    assert zeroshot.roc_auc(images, labels, classes, tau=1.0) == pytest.approx(expected)
    assert zeroshot.roc_auc(images, labels, classes, delta=0.5) != expected


def test_a_sweep_is_what_each_shift_gives_and_tells_what_gap_is_left():
    images, labels, classes = task()
    table = zeroshot.sweep(images, labels, classes, [-1, 0, 0.7])
    gap = zeroshot.task_gap(images, classes)
    assert table.accuracy.tolist() == [zeroshot.accuracy(images, labels, classes, d) for d in (-1, 0, 0.7)]
    assert table.distance[1] == pytest.approx(np.linalg.norm(gap))
    assert table.distance[0] > table.distance[1] > table.distance[2]
    assert zeroshot.sweep(images, labels, classes, [50]).distance[0] < 0  # they have passed each other
    assert len(zeroshot.DELTAS) == 40 and zeroshot.DELTAS[0] == -5 and zeroshot.DELTAS[-1] == 4.75


@pytest.mark.parametrize(("counts", "expected"), [([3, 3, 3], 0.0), ([9, 0, 0], 2 / 3), ([1, 2, 3], 2 / 9)])
def test_gini_of_known_counts(counts, expected):
    assert zeroshot.gini(np.repeat(np.arange(3), counts), 3) == pytest.approx(expected)


# Choosing and testing


def test_the_shift_is_chosen_on_the_validation_pictures_alone():
    images, labels, classes = task(400, seed=2)
    valid, test = (images[:200], labels[:200]), (images[200:], labels[200:])
    found = zeroshot.choose_shift(valid, test, classes)
    table = zeroshot.sweep(*valid, classes)
    assert table.set_index("delta").accuracy[found.delta] == table.accuracy.max()
    gap = zeroshot.task_gap(valid[0], classes)
    assert found.before == zeroshot.accuracy(*test, classes)
    assert found.after == zeroshot.accuracy(*test, classes, found.delta, gap)
    assert found.best_on_test == max(zeroshot.accuracy(*test, classes, d, gap) for d in zeroshot.DELTAS)
    assert found.after - found.before == pytest.approx((found.won - found.lost) / found.n)
    shuffled = np.random.default_rng(0).permutation(test[1])
    assert zeroshot.choose_shift(valid, (test[0], shuffled), classes).delta == found.delta


def test_of_equally_good_shifts_the_smallest_is_chosen():
    images, classes = np.repeat(np.eye(4)[:2], 5, axis=0) + np.eye(4)[3], np.eye(4)[:2] + np.eye(4)[2]
    labels = np.repeat([0, 1], 5)
    assert zeroshot.choose_shift((images, labels), (images, labels), classes, [-0.5, 0, 0.5]).delta == 0


def test_roc_auc_is_chosen_without_a_p_value():
    images, labels, classes = task(200, classes=2)
    halves = (images[:100], labels[:100]), (images[100:], labels[100:])
    found = zeroshot.choose_shift(*halves, classes, metric="roc_auc")
    assert np.isnan(found.p_value) and found.best_on_test >= found.before


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 20))
def test_mcnemar_is_the_sign_test_of_those_that_change(lost, won, same):
    before = np.repeat([True, False, True], [lost, won, same])
    after = np.repeat([False, True, True], [lost, won, same])
    expected = binomtest(lost, lost + won).pvalue if lost + won else 1.0
    assert zeroshot.mcnemar(before, after) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "p"), [("CIFAR10", 3.476e-06), ("CIFAR100", 8.701e-03), ("EuroSAT", 7.020e-06)]
)
def test_the_papers_p_values_follow_from_its_accuracies(name, p):
    assert float(f"{zeroshot.two_proportions(*zeroshot.BENCHMARKS[name].whole):.3e}") == p


@pytest.mark.parametrize(
    ("name", "n", "p"), [("CIFAR10", 10_000, 0.10), ("CIFAR100", 10_000, 0.24), ("SVHN", 26_032, 0.87)]
)
def test_its_main_table_is_not_significant(name, n, p):
    row = zeroshot.BENCHMARKS[name]
    assert zeroshot.two_proportions(row.original, row.modified, n) == pytest.approx(p, abs=0.006)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_equal_shares_do_not_differ(share):
    assert zeroshot.two_proportions(share, share, 100) == 1.0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(-5, 5))
def test_a_shift_of_any_length_is_a_factor_and_a_handicap_for_each_class(seed, delta):
    """Exactly so if all pictures lie equally far along the gap, as the chapter says they nearly do."""
    rng = np.random.default_rng(seed)
    axis, a = np.eye(8)[0], delta / 2
    images = np.column_stack([np.full(40, 0.3), np.sqrt(1 - 0.3**2) * unit(rng.normal(size=(40, 7)))])
    classes = unit(rng.normal(size=(5, 8)) - 2 * axis)
    along = classes @ axis
    factor = 1 / np.sqrt(1 + 2 * a * along + a**2)
    given = factor * (images @ classes.T + a * (0.3 - along) - a**2)
    shifted = zeroshot.scores(images, classes, delta, gap=axis)
    np.testing.assert_allclose(shifted * np.sqrt(1 - 0.6 * a + a**2), given, atol=1e-12)


# The paper's tasks


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A local checkpoint, read back: the way of a reader with weights on the disk."""
    path = tmp_path_factory.mktemp("model") / "mini.pt"
    words = (
        "a photo of centered satellite annual crop forest sea lake aquarium fish bed meme hatespeech".split()
    )
    save_checkpoint(path, models.mini_clip(**models.MINI["MiniCLIP-24"], words=words, seed=1), step=0)
    return models.load_clip(str(path))


def drawn_folder(root, names, n=8):
    """Put n pictures into a folder for each name; return the pictures in the folder's order."""
    world = shapeworld.draw(n * len(names), size=24)
    for i, picture in enumerate(world.images):
        folder = root / names[i // n]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{i:03d}.png")
    return world


def test_hateful_memes_from_a_folder(model, tmp_path):
    world = drawn_folder(tmp_path, ["benign", "hateful"], n=30)
    data = zeroshot.load_benchmark("HatefulMemes", tmp_path)
    images, labels = zeroshot.encode(model, data, batch_size=7)
    np.testing.assert_allclose(images, model.encode_images(world.images), atol=1e-4)  # a GPU's tensor cores
    assert labels.tolist() == [0] * 30 + [1] * 30
    row = zeroshot.benchmark_table(model, {"HatefulMemes": data}).loc["HatefulMemes"]
    assert (row["metric"], row["paper"], row["paper, best shift"], row["n"]) == ("roc_auc", 0.58, 0.5811, 30)
    assert 0 <= row["here"] <= row["chosen on itself"] <= 1 and np.isnan(row["p"])


def test_eurosat_in_torchvisions_layout(model, tmp_path):
    drawn_folder(tmp_path / "eurosat" / "2750", ["AnnualCrop", "Forest", "SeaLake"], n=20)
    data = zeroshot.load_benchmark("EuroSAT", tmp_path)
    assert zeroshot.BENCHMARKS["EuroSAT"].classes_of(data) == ["annual crop", "forest", "sea lake"]
    row = zeroshot.benchmark_table(model, {"EuroSAT": data}).loc["EuroSAT"]
    images, labels = zeroshot.encode(model, data)
    half = np.random.default_rng(0).permutation(60) < 30
    classes = zeroshot.class_embeddings(
        model, ["annual crop", "forest", "sea lake"], "a centered satellite photo of {}."
    )
    assert row["here"] == zeroshot.accuracy(images[~half], labels[~half], classes)
    assert 0 <= row["p"] <= 1


class Drawn(list):
    """A data set of (picture, label) with the class names of CIFAR100's kind."""

    classes = ["aquarium_fish", "bed"]


def test_any_data_set_of_pictures_and_labels_will_do(model):
    world = shapeworld.draw(40, size=24)
    data = Drawn((Image.fromarray(p).convert("L"), i % 2) for i, p in enumerate(world.images))
    table = zeroshot.benchmark_table(model, {"CIFAR100": data}, deltas=[-0.5, 0, 0.5])
    assert zeroshot.BENCHMARKS["CIFAR100"].classes_of(data) == ["aquarium fish", "bed"]
    assert table.loc["CIFAR100", "paper"] == 0.6658 and table.loc["CIFAR100", "n"] == 20


# Bad input


def test_bad_prompts():
    with pytest.raises(ValueError, match="template is 'a photo'"):
        zeroshot.prompts(["cat"], "a photo")
    with pytest.raises(ValueError, match="classes is \\[\\]"):
        zeroshot.prompts([])
    with pytest.raises(ValueError, match="classes is 'cat'"):
        zeroshot.prompts("cat")
    with pytest.raises(ValueError, match="templates is empty"):
        zeroshot.class_embeddings(None, ["cat"], [])


def test_bad_labels():
    images, labels, classes = task()
    with pytest.raises(TypeError, match="labels hold float64"):
        zeroshot.accuracy(images, labels * 1.0, classes)
    with pytest.raises(ValueError, match="one for each of the 60"):
        zeroshot.accuracy(images, labels[:5], classes)
    with pytest.raises(ValueError, match="there are 5 classes"):
        zeroshot.sweep(images, labels + 1, classes)
    with pytest.raises(ValueError, match="two classes"):
        zeroshot.roc_auc(images, labels, classes)


def test_bad_predictions():
    with pytest.raises(TypeError, match="predicted hold float64"):
        zeroshot.gini([0.0, 1.0], 2)
    with pytest.raises(ValueError, match="predicted has shape \\(0,\\)"):
        zeroshot.gini(np.array([], int), 2)
    with pytest.raises(ValueError, match="predicted go from 0 to 2; there are 2 classes"):
        zeroshot.gini([0, 2], 2)


def test_bad_embeddings_and_shifts():
    images, labels, classes = task()
    with pytest.raises(ValueError, match="classes 3"):
        zeroshot.predict(images, np.ones((2, 3)))
    with pytest.raises(ValueError, match="images has a NaN"):
        zeroshot.predict(np.full((2, 12), np.nan), classes)
    with pytest.raises(ValueError, match="delta is inf"):
        zeroshot.predict(images, classes, np.inf)
    with pytest.raises(ValueError, match="gap has shape"):
        zeroshot.predict(images, classes, 1.0, gap=np.ones(3))
    with pytest.raises(ValueError, match="no gap to move along"):
        zeroshot.task_gap(np.eye(3), np.eye(3))
    with pytest.raises(ValueError, match="deltas is empty"):
        zeroshot.sweep(images, labels, classes, [])
    with pytest.raises(ValueError, match="did you mean 'accuracy'"):
        zeroshot.sweep(images, labels, classes, metric="acuracy")


def test_bad_tests():
    with pytest.raises(TypeError, match="booleans"):
        zeroshot.mcnemar([0, 1], [1, 1])
    with pytest.raises(ValueError, match="shapes"):
        zeroshot.mcnemar([True], [True, False])
    with pytest.raises(ValueError, match="two shares and a count"):
        zeroshot.two_proportions(1.2, 0.5, 10)


def test_bad_data_sets(model, tmp_path):
    with pytest.raises(ValueError, match="did you mean 'CIFAR10'"):
        zeroshot.load_benchmark("cifar10", tmp_path)
    with pytest.raises(FileNotFoundError, match="pass download=True"):
        zeroshot.load_benchmark("CIFAR10", tmp_path)
    with pytest.raises(FileNotFoundError, match="pass download=True"):
        zeroshot.load_benchmark("EuroSAT", tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        zeroshot.load_benchmark("HatefulMemes", tmp_path / "nowhere")
    drawn_folder(tmp_path, ["cats", "dogs"], n=1)
    with pytest.raises(ValueError, match="needs benign and hateful"):
        zeroshot.load_benchmark("HatefulMemes", tmp_path)
    with pytest.raises(ValueError, match="names no classes"):
        zeroshot.benchmark_table(model, {"CIFAR10": [(Image.new("RGB", (24, 24)), 0)] * 4})
    with pytest.raises(FileNotFoundError, match="class folder"):
        (tmp_path / "empty").mkdir()
        zeroshot.load_benchmark("HatefulMemes", tmp_path / "empty")
    with pytest.raises(ValueError, match="dataset is empty"):
        zeroshot.benchmark_table(model, {"SVHN": []})
    with pytest.raises(ValueError, match="labels go from 0 to 2; there are 2 classes"):
        three = Drawn((Image.new("RGB", (24, 24), colour), colour % 3) for colour in range(60))
        zeroshot.benchmark_table(model, {"CIFAR100": three})
    with pytest.raises(TypeError, match="dataset gives ndarray; pass PIL pictures"):
        zeroshot.encode(model, [(np.zeros((24, 24, 3), np.uint8), 0)])
    with pytest.raises(ValueError, match="batch_size is 0"):
        zeroshot.encode(model, [(Image.new("RGB", (24, 24)), 0)], batch_size=0)
