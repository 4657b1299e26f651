"""The report says what the metrics say, in words that follow from the numbers; thresholds keep their rate."""

import html
import json
import re

import numpy as np
import pytest

from mgaplib import corrections, metrics, report
from mgaplib.__main__ import main
from mgaplib.metrics.several import named
from mgaplib.report import reading
from mgaplib.report.page import snippet


def pairs(n=120, d=16, gap=3.0, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    meaning, offset = rng.normal(size=(n, d)), gap / 2 * np.eye(d)[0]
    return [meaning + noise * rng.normal(size=(n, d)) + sign * offset for sign in (1, -1)]


@pytest.fixture(scope="module")
def found():
    return report.measure(*pairs(), score=0.3)


def words_of(found):
    return " ".join(words for words, _ in found.reading)


def test_the_numbers_are_the_metrics(found):
    x, y = pairs()
    assert found.metrics.value["modality_gap"] == metrics.modality_gap(x, y)
    x, y = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y))
    apart = ~np.eye(len(x), dtype=bool)
    assert found.scores["matched pairs"]["mean"] == pytest.approx(np.mean(np.sum(x * y, axis=1)))
    assert found.scores["random pairs"]["mean"] == pytest.approx((x @ y.T)[apart].mean())
    assert found.scores["two images"]["mean"] == pytest.approx(metrics.mean_cosine(x))


def test_the_words_quote_the_numbers(found):
    words = words_of(found)
    assert f"The gap is {found.metrics.value['modality_gap']:.2f} long" in words
    assert f"matched pairs sit at {found.scores['matched pairs']['mean']:.2f}" in words
    assert "Your cosine of 0.3:" in words
    assert f"{found.thresholds['pair'][0].value:.3f}" in words
    assert f"{found.thresholds['candidate'][1]['hit_rate']:.0%}" in words
    assert {chapter for _, chapter in found.reading} <= {
        "your_embeddings", "loss_landscape", "random_networks", "mixed_search", "post_hoc",
    }  # fmt: skip


def test_where_there_is_no_gap_it_says_so():
    words = words_of(report.measure(*pairs(gap=0.0)))
    assert "no gap is to be seen" in words
    assert "no cone to speak of" in words


def test_a_gap_below_twice_what_chance_makes_is_seen():
    x, y = np.random.default_rng(0).standard_normal((2, 500, 64))
    x[:, 0] += 0.8  # a gap of about .10, to which chance adds so that .12 is measured
    words = words_of(report.measure(x, y))
    assert re.search(
        r"The gap is 0\.1[12] long.*without what chance adds to 500 pairs it is 0\.(09|1)", words
    )


def test_a_correction_is_praised_only_if_it_helps():
    assert re.search(r"\w+ helps most", words_of(report.measure(*pairs(gap=4.0))))
    assert "leave these embeddings as they are" in words_of(report.measure(*pairs(gap=0.0, noise=0.3)))


def test_json_holds_numbers_only(found):
    again = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert again["pairs"] == 120
    assert {row["correction"] for row in again["corrections"]} >= {"nothing", "Procrustes", "NNN", "Modality"}
    assert again["thresholds"].keys() == {"pair", "candidate"}  # 60 queries show no rate of 1 %


def test_the_same_seed_gives_the_same_report(found):
    again = report.measure(*pairs(), score=0.3).to_dict()
    mine = found.to_dict()
    for each in (again, mine):
        for row in each["corrections"]:
            del row["microseconds"], row["spread"]
    assert again == mine


def test_many_pairs_are_drawn_from_and_it_is_said():
    x, y = pairs(300)
    small = report.measure(x, y, max_pairs=60)
    assert (len(small.images), small.pairs) == (60, 300)
    np.testing.assert_allclose(small.images, (x / np.linalg.norm(x, axis=1, keepdims=True))[small.rows])
    assert "60 of them, drawn at random" in small.to_html()


def test_the_page_asks_nothing_of_other_hosts_and_captions_stay_text(found):
    page = found.to_html(
        captions=["</script><b>bold</b>"] * 120, thumbnails=np.zeros((120, 8, 8, 3), np.uint8)
    )
    assert "<b>bold" not in page
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page)
    assert "default-src 'none'" in page
    assert page.count("</script>") == 3


def test_a_page_without_a_gap_says_why_there_is_no_landscape():
    x = pairs()[0]
    y = np.roll(x, 1, axis=0)  # the same points, so the same centroid
    page = report.measure(x, y).to_html()
    assert page.count("there is no gap to move along") == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tau": 0}, "temperature"),
        ({"false_positive_rate": 0}, "share such as"),
        ({"max_pairs": 3}, "at least 24"),
    ],
)
def test_senseless_options(options, words):
    with pytest.raises(ValueError, match=words):
        report.measure(*pairs(), **options)


def test_too_few_or_unequal_pairs():
    x, y = pairs(20)
    with pytest.raises(ValueError, match="images has 0 rows"):
        report.measure(np.empty((0, 12)), np.ones((30, 12)))
    with pytest.raises(ValueError, match="at least 24"):
        report.measure(x, y)
    with pytest.raises(ValueError, match="paired"):
        report.measure(x, y[:10])


def test_a_trial_judges_on_pairs_that_it_did_not_fit():
    x, y = pairs(200, 64, gap=12.0, noise=2.0)
    trial = corrections.try_corrections(x, y, splits=2).groupby("correction").mean()
    # Procrustes learns its pairs by heart: in-sample it would be far ahead of centring.
    assert trial.recall_image_to_text["Procrustes"] < trial.recall_image_to_text["Centring"]
    assert trial.gap["Centring"] < 0.5 * trial.gap["nothing"]
    with pytest.raises(ValueError, match="splits"):
        corrections.try_corrections(x, y, splits=0)


def test_a_trial_leaves_vectors_alone_where_it_calibrates_scores():
    x, y = pairs(200, 32, gap=8.0)
    trial = corrections.try_corrections(x, y, splits=2).groupby("correction").mean()
    for name in ("Modality", "NNN", "NNN by modality"):
        assert trial.gap[name] == trial.gap["nothing"]
    for way in ("recall_image_to_text", "recall_text_to_image"):  # within one modality no order changes
        assert trial.loc["Modality", way] == trial.loc["nothing", way]
        assert trial.loc["NNN by modality", way] == trial.loc["NNN", way]
    assert trial.mixed_rank["Modality"] < trial.mixed_rank["nothing"] / 2


def test_a_trial_says_what_the_metrics_say():
    x, y = pairs(60, 8)
    trial = corrections.try_corrections(x, y, splits=1).set_index("correction").loc["nothing"]
    test = np.array_split(np.random.default_rng(0).permutation(60), 2)[1]
    x, y = x[test], y[test]
    assert trial.recall_image_to_text == metrics.recall_at_k(x, y)
    assert trial.recall_text_to_image == metrics.recall_at_k(y, x)
    assert trial.mixed_rank == pytest.approx(np.mean(metrics.mixed_partner_ranks(x, y)))
    assert trial.own_modality_first == pytest.approx(np.mean(metrics.same_modality_share(x, y)))


def test_the_page_shows_code_that_does_what_the_report_names_best(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, y = pairs(120, 8, gap=4.0)
    given = {"images": x[:60], "texts": y[:60], "new_images": x[60:], "new_texts": y[60:], "queries": y[60:]}
    names = list(dict.fromkeys(corrections.try_corrections(x, y, splits=1).correction))
    assert snippet("nothing") == snippet(None) == ""
    for name in names[1:]:
        made = dict(given)
        exec(snippet(name), made)
        assert len(made["found"].documents) == 60
    found = report.measure(x, y)
    assert reading.best(found) in words_of(found)
    assert html.escape(snippet(reading.best(found))) in found.to_html()


@pytest.mark.parametrize("paired", [True, False])
def test_the_words_follow_the_modalities_names(paired):
    rng = np.random.default_rng(0)
    meaning, offset = rng.normal(size=(60, 8)), np.eye(8)[0]
    texts = np.repeat(meaning, 2, axis=0) - offset + 0.4 * rng.normal(size=(120, 8))
    groups = np.repeat(range(60), 2) if paired else None
    found = report.measure(meaning + offset, texts, groups=groups, score=0.3, names=("audio", "query"))
    assert repr(found).startswith("Report of 60 audio clips and 120 queries")
    data = found.to_dict()
    said = [str(found), *(one["words"] for one in data["reading"]), *data["pairing"]["words"]]
    page = re.sub(r"(?s)<(script|style|pre).*?</\1>|src=\".*?\"", "", found.to_html())
    assert not [
        word for words in (*said, page) for word in re.findall(r"(?<![a-z])(?:image|text)s?(?![a-z])", words)
    ]
    assert "Two audio clips taken at random" in page and "two queries" in page
    if paired:
        assert (
            "recall_at_1 (audio to query)" in page and "an audio clip finds one of its queries first" in page
        )
        assert '"names": ["audio", "query"]' in found.to_html()
        assert "images, texts (your audio clips and queries)" in found.to_html()
        assert "recall_at_1 (image to text)" in data["metrics"]  # by whose name programs ask
    assert data["modalities"] == ["audio", "query"]
    with pytest.raises(ValueError, match="the name 'audio' stands there twice"):
        report.measure(meaning, meaning, names=("audio", "audio"))
    with pytest.raises(ValueError, match="pass what the two modalities are called"):
        report.measure(meaning, meaning, names=("audio",))


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("image", "text"), "An image and its text; images, a text (image to text, mean_cosine (texts))"),
        (("text", "image"), "A text and its image; texts, an image (text to image, mean_cosine (images))"),
        (
            ("code", "video"),
            "A code snippet and its video; code snippets, a video (code to video, mean_cosine (videos))",
        ),
        (
            ("query", "audio"),
            "A query and its audio clip; queries, an audio clip (query to audio, mean_cosine (audio))",
        ),
    ],
)
def test_articles_and_plurals(names, wanted):
    plain = "An image and its text; images, a text (image to text, mean_cosine (texts))"
    assert named(plain, names) == wanted
    assert (
        named("recall_image_to_text, context, imagery", names)
        == f"recall_{names[0]}_to_{names[1]}, context, imagery"
    )


def test_the_command_line_names_two_modalities(tmp_path, capsys):
    x = np.random.default_rng(0).normal(size=(40, 8))
    np.save(tmp_path / "a.npy", x + 1)
    np.save(tmp_path / "b.npy", x - 1)
    files = [str(tmp_path / name) for name in ("a.npy", "b.npy")]
    assert main(["report", *files, "--names", "audio,text", "--rate", "0.1"]) == 0
    assert "Two audio clips taken at random" in capsys.readouterr().out


@pytest.mark.parametrize("given", [{"captions": ["a"] * 5}, {"thumbnails": np.zeros((5, 4, 4, 3), np.uint8)}])
def test_too_few_captions_or_thumbnails_are_counted(given):
    x = np.random.default_rng(0).normal(size=(30, 4))
    with pytest.raises(ValueError, match="has 5 entries and row 29 was measured"):
        report.measure(x + 1, x - 1).to_html(**given)


@pytest.mark.parametrize("rate", ["a", None, float("nan"), 1])
def test_a_rate_that_is_no_share_is_refused(rate):
    x = np.random.default_rng(0).normal(size=(30, 4))
    with pytest.raises(ValueError, match="false_positive_rate is .*; pass a share such as"):
        report.measure(x + 1, x - 1, false_positive_rate=rate)
