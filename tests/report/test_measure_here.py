"""The page that measures a reader's own files: what it is sent, and what stands where it cannot run."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import traitlets
from ipywidgets import embed

from mgaplib.pairs import Pairs
from mgaplib.report import MIN_PAIRS, MeasureHere, page, pairing, reading
from mgaplib.report.measure_here import BLOCKS, CHAPTERS, coded
from mgaplib.report.report import RELATIONS

RNG = np.random.default_rng(0)
PAIRS = Pairs(RNG.normal(size=(50, 12)) + 1, RNG.normal(size=(50, 12)) - 1)


@pytest.fixture(scope="module")
def bench():
    return MeasureHere({"fifty pairs": PAIRS, "ten pairs": PAIRS.take(np.arange(30))})


def test_its_code_asks_no_host_and_writes_no_html(bench):
    for source in (bench._esm, bench._css, bench.data["worker"]):
        assert not re.search(r"https?://|innerHTML|insertAdjacentHTML|document\.write|eval\(|fetch\(", source)
        assert not re.search(r"XMLHttpRequest|WebSocket|sendBeacon|importScripts", source)
        assert "import " not in source  # one module each, nothing to load


@pytest.mark.parametrize("module", ["_esm", "worker"])
def test_no_two_of_the_files_that_are_joined_use_one_name(bench, module):
    source = bench._esm if module == "_esm" else bench.data["worker"]
    names = re.findall(r"^(?:async )?(?:const|let|function|class) (\w+)", source, re.MULTILINE)
    assert len(names) == len(set(names)) > 60


def test_the_page_that_is_saved_is_the_reports(bench):
    written = bench.data["page"]
    assert page.STYLE in written["shell"] and page._POLICY in written["shell"]
    assert "new MutationObserver" in written["alive"]  # the host
    slots = set(re.findall(r"<!--mgap (\w+)-->", written["shell"] + written["alive"]))
    assert slots == {"title", "body", "look", "style", "view", "state", "picture"}


def test_a_picture_stands_where_no_script_runs(bench):
    bundle, _ = bench._repr_mimebundle_()
    assert bundle["image/png"].startswith("iVBORw0KGgo") and len(bundle["image/png"]) < 150_000
    assert bundle["text/plain"] == repr(bench) and "fifty pairs, ten pairs" in repr(bench)


def test_what_a_page_saves_of_it_is_small(bench):
    rows = RNG.normal(size=(2, 500, 512))
    most = MeasureHere({"as many as CLIP's": Pairs(*rows)})
    size = {
        id: len(json.dumps(embed.dependency_state([w], drop_defaults=False)))
        for id, w in enumerate((bench, most))
    }
    assert size[0] < 350_000 and size[1] < 1_100_000  # of the page's 1.5 MB


def test_every_word_that_the_page_says_is_the_librarys(bench):
    relations = RELATIONS | BLOCKS
    said = {"sentences": reading.SENTENCES, "pairing": pairing.WORDS, "relations": relations}
    assert bench.data["say"] == said
    assert bench.data["rules"]["least"] == MIN_PAIRS
    named = set(re.findall(r'say\.(\w+)|say\[\w+ \? "(\w+)"|"(gap_\w+|cone_\w+)"', bench._esm))
    names = {name for found in named for name in found if name}
    assert names <= {*reading.SENTENCES, *pairing.WORDS, "relations"} and len(names) > 12
    chapters = set(re.findall(r'\), "([a-z_]+)"\]', bench._esm)) | set(
        re.findall(r'\[\w+, "([a-z_]+)"\]', bench._esm)
    )
    assert chapters & set(CHAPTERS) == set(CHAPTERS)
    here = Path(__file__).parents[2] / "chapters/practice"
    assert all((here / address).with_suffix(".md").is_file() for address in CHAPTERS.values())


def test_codes_stand_for_rows(bench):
    sent = coded(PAIRS)
    codes = np.frombuffer(sent["codes"], "i1").reshape(2, 50, 12)
    offset, scale = (np.frombuffer(sent[key], "<f4").reshape(2, 1, 12) for key in ("offset", "scale"))
    np.testing.assert_allclose(codes * scale + offset, [PAIRS.images, PAIRS.texts], atol=0.51 * scale.max())
    assert bench.data["examples"][0]["label"] == "fifty pairs" and bench.data["examples"][0]["n"] == 50


def test_what_makes_no_sense_is_refused(bench):
    with pytest.raises(ValueError, match="examples is empty; pass pairs"):
        MeasureHere({})
    with pytest.raises(TypeError, match="texts is missing"):
        MeasureHere({"rows": np.ones((30, 4))})
    for name, value in (("shift", 2.0), ("tau", 0.0)):
        with pytest.raises(traitlets.TraitError, match=f"{name} is"):
            setattr(bench, name, value)
