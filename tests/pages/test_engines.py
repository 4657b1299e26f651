"""The widgets' engines, each imported alone by the browser: what they compute is the library's."""

import json
import re

import numpy as np
import pytest
from built_book import PATIENCE, ROOT, serve

from mgaplib import landscape, metrics
from mgaplib.dynamics import sphere
from mgaplib.pairs import Pairs
from mgaplib.widgets import GapExplorer, base
from mgaplib.widgets.gap_explorer import SHIFTS

FOLDER = ROOT / "mgaplib/widgets"
ENGINES = ["numbers", "landscape_engine", "gram_engine", "sphere_engine", "dynamics_engine", "address"]
ENGINES += ["embeddings_files", "measure_engine", "landscape_tables"]
WIDGETS = sorted(path.stem for path in FOLDER.glob("*.js") if "export default" in path.read_text("utf-8"))


@pytest.fixture(scope="module")
def compute(browser):
    """Call a function body in the browser: `m` is the named module, `a` the arguments."""
    with serve(FOLDER) as site:
        page = browser.new_context().new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(site + "shared.css")  # any page of that host

        def call(module, body, **arguments):
            return page.evaluate(
                f"async a => {{ const m = await import('/{module}.js'); {body} }}", arguments
            )

        yield call
        page.context.close()


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_is_pure(compute, name):
    assert compute(name, "return Object.keys(m).length") > 0
    if name != "address":
        assert not re.search(
            r"\b(document|window|canvas|model)\b\.", (FOLDER / f"{name}.js").read_text("utf-8")
        )


@pytest.mark.parametrize("name", WIDGETS)
def test_a_front_end_is_one_module_with_one_meaning_a_name(compute, name):
    source = base.front_end(name)
    assert source.count("export ") == 1 and "import " not in source
    names = re.findall(r"^(?:async )?(?:function|const|let|class) (\w+)", source, flags=re.MULTILINE)
    assert len(names) == len(set(names))
    assert compute(
        "numbers",
        "const url = URL.createObjectURL(new Blob([a.source], { type: 'text/javascript' }));"
        "return typeof (await import(url)).default",
        source=source,
    ) in ("object", "function")


@pytest.mark.parametrize("name", WIDGETS)
def test_a_file_imports_what_its_neighbours_export(compute, name):
    assert compute(name, "return typeof m.default") in ("object", "function")


# --- numbers


def test_numbers_are_written_found_and_looked_up(compute):
    written = compute("numbers", "return [m.words(-0.001, 2), m.words(-1.5, 1), m.words(2, 0)]")
    assert written == ["0.00", "−1.5", "2"]
    assert compute("numbers", "return m.ticks(-1, 1.5, 5)") == [-1, -0.5, 0, 0.5, 1, 1.5]
    stops = [0.01, 0.1, 1]
    assert compute("numbers", "return m.nearestStop(a.s, 0.04, Math.log)", s=stops) == 1
    assert compute("numbers", "return m.nearestStop(a.s, 0.04)", s=stops) == 0


def test_interpolation_is_exact_for_cubics_and_the_lowest_point_for_parabolas(compute):
    x = np.linspace(-1, 1, 11)
    cubic = lambda x: 1 - x + 2 * x**3  # noqa: E731
    at = np.linspace(-1, 1, 37)
    found = compute(
        "numbers", "return a.at.map(x => m.interpolate(a.t, -1, .2, x))", t=list(cubic(x)), at=list(at)
    )
    assert found == pytest.approx(cubic(at))
    best = compute("numbers", "return m.lowest(a.t, k => -1 + .2 * k)", t=list((x - 0.123) ** 2 + 3))
    assert best == {"at": pytest.approx(0.123), "value": pytest.approx(3), "end": False}
    assert compute("numbers", "return m.lowest([3, 2, 1], k => k)") == {"at": 2, "value": 1, "end": True}


@pytest.mark.parametrize("value, words", [("undefined", "lack x"), ("new ArrayBuffer(7)", "x holds 7 bytes")])
def test_bytes_that_are_missing_or_cut_are_named(compute, value, words):
    said = compute(
        "numbers", f"try {{ m.typed(Float32Array, {value}, 2, 'x') }} catch (e) {{ return e.message }}"
    )
    assert words in said


# --- the landscape


def draw_pairs(seed, n=23, d=7):
    rng = np.random.default_rng(seed)
    meaning, offset = rng.normal(size=(n, d)), 2 * np.eye(d)[0]
    sides = [meaning + 0.7 * rng.normal(size=(n, d)) + sign * offset for sign in (1, -1)]
    return [side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides]


def as_pairs(images, texts):
    """What the engine knows of pairs, as plain lists."""
    land = landscape.ShiftLandscape(images, texts, dtype="float64")
    rows = {"gram": land.gram.ravel(), "own": np.diag(land.gram), "p": land.p, "q": land.q}
    zeros = [0.0] * len(images)
    return {
        "n": len(images),
        "gapLength": land.gap_length,
        "acrossImages": zeros,
        "acrossTexts": zeros,
        **{name: row.tolist() for name, row in rows.items()},
    }


@pytest.mark.parametrize("shift", [-0.8, 0.0, 0.5, 1.3])
@pytest.mark.parametrize("tau", [0.005, 0.07, 1.0])
def test_losses_of_moved_pairs_are_the_librarys(compute, shift, tau):
    images, texts = draw_pairs(0)
    found = compute(
        "landscape_engine",
        "const { belongs, fillRow } = m.movePairs(a.p).to(a.shift);"
        "return m.contrastiveLosses(belongs, a.tau, fillRow)",
        p=as_pairs(images, texts),
        tau=tau,
        shift=shift,
    )
    moved = landscape.shift(images, texts, shift)
    ways = "image_to_text", "text_to_image"
    assert found == pytest.approx([metrics.contrastive_loss(*moved, tau, way) for way in ways])


@pytest.mark.parametrize("shift", [-0.8, 0.0, 0.5, 1.3])
def test_cosines_places_and_neighbours_are_those_of_the_moved_embeddings(compute, shift):
    images, texts = draw_pairs(1)
    n = len(images)
    found = compute(
        "landscape_engine",
        """const moved = m.movePairs(a.p).to(a.shift);
        const all = [...Array(a.p.n).keys()];
        const inner = [a.xx, a.yy].map(
            (s, kind) => all.map(i => all.map(j => moved.within(kind, i, j, s[i][j]))));
        return {
            cross: all.map(i => all.map(j => moved.cosine(i, j))), images: inner[0], texts: inner[1],
            places: [...moved.places()],
            near: [0, 1].map(kind => moved.neighbours(kind, 4, 3)).map(f => [f.nearest, f.rank]),
        }""",
        p=as_pairs(images, texts),
        shift=shift,
        xx=(images @ images.T).tolist(),
        yy=(texts @ texts.T).tolist(),
    )
    x, y = landscape.shift(images, texts, shift)
    gap = images.mean(0) - texts.mean(0)
    gap /= np.linalg.norm(gap)
    assert np.allclose(found["cross"], x @ y.T) and np.allclose(found["images"], x @ x.T)
    assert np.allclose(found["texts"], y @ y.T)
    along = np.reshape(found["places"], (2, n, 2))[:, :, 0]
    assert np.allclose(along, [x @ gap, y @ gap])
    for kind, scores in enumerate((x[4] @ y.T, y[4] @ x.T)):
        assert found["near"][kind] == [
            np.argsort(-scores)[:3].tolist(),
            1 + int((scores > scores[4]).sum()),
        ]


@pytest.fixture(scope="module")
def five_captions():
    """Twenty pictures with up to five captions each; one picture has none, one caption stands for two."""
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(20), 5)[:-7]
    images, offset = rng.normal(size=(20, 8)), 2 * np.eye(8)[0]
    texts = images[groups] + 0.8 * rng.normal(size=(len(groups), 8))
    return Pairs(images + offset, texts - offset, groups=([*range(19), 0], groups % 19))


READ = """const at = (held) => !(held && held.constructor === Object) ? held
    : "bytes" in held ? Uint8Array.from(held.bytes).buffer
    : Object.fromEntries(Object.entries(held).map(([name, value]) => [name, at(value)]));
  const engine = m.makeLandscape(m.readLandscape(at(a.data)));"""


def sent(data):
    """What an explorer sends, in the form that a page can be handed."""
    if isinstance(data, bytes):
        return {"bytes": list(data)}
    return {name: sent(value) for name, value in data.items()} if isinstance(data, dict) else data


def test_several_partners_count_as_in_the_library_at_every_shift(compute, five_captions):
    explorer = GapExplorer(five_captions)
    shifts = [*SHIFTS.round(6).tolist(), 0.123, 0.777]
    found = compute(
        "landscape_engine",
        READ + "return a.shifts.map(shift => engine.metrics(shift, 0.05))",
        data=sent(explorer.data),
        shifts=shifts,
    )
    for shift, numbers in zip(shifts, found, strict=True):
        moved = Pairs.trusted(*landscape.shift(five_captions, None, shift), five_captions.groups)
        for way, pairs in (("image_to_text", moved), ("text_to_image", moved.swapped)):
            assert abs(numbers[f"recall_{way}"] - metrics.recall_at_k(pairs)) < 1e-9
            loss = metrics.contrastive_loss(moved, None, 0.05, way)
            assert numbers[f"loss_{way}"] == pytest.approx(loss, abs=1e-4)
        assert numbers["gap"] == pytest.approx(metrics.modality_gap(moved), abs=1e-6)


@pytest.mark.parametrize("kind", [0, 1])
def test_the_best_of_several_partners_has_the_rank(compute, five_captions, kind):
    code = (
        READ
        + "const { moved } = engine; moved.to(a.shift); const { belongs } = moved; return a.rows.map(i => "
    )
    code += "[moved.neighbours(a.kind, i, 0).rank, belongs.pairs[a.kind][belongs.pairOf(a.kind, i)]])"
    rows = np.unique(five_captions.partners[kind]).tolist()
    found = compute(
        "landscape_engine", code, data=sent(GapExplorer(five_captions).data), shift=0.3, kind=kind, rows=rows
    )
    x, y = landscape.shift(five_captions, None, 0.3)
    scores, codes = (x @ y.T, y @ x.T)[kind], five_captions.codes
    for row, (rank, again) in zip(rows, found, strict=True):
        best = scores[row][codes[1 - kind] == codes[kind][row]].max()
        assert (rank, again) == (1 + int((scores[row] > best + 1e-4).sum()), row)


def test_a_share_is_that_of_the_step_which_was_last_passed(compute):
    found = compute(
        "landscape_engine",
        "return [-1, -.1, 0, .4, .5, 2].map(at => m.stepAt({ at: [-1, 0, .5], value: [3, 5, 7] }, at))",
    )
    assert found == [3, 3, 5, 5, 7, 7]


def test_the_loss_axis_is_the_same_for_all_curves_unless_zoomed(compute):
    axes = compute(
        "landscape_engine",
        "return [[6.05, 6.15], [1, 12]].map(v => [m.lossAxis(500, false, v), m.lossAxis(500, true, v)])",
    )
    assert axes[0][0] == axes[1][0] == [0, pytest.approx(1.25 * np.log(500))]
    assert axes[0][1] == pytest.approx([6.042, 6.158]) and axes[1][1][0] < 1 < 12 < axes[1][1][1]


# --- one table of cosines


@pytest.mark.parametrize("shift", [-0.8, 0.0, 0.5])
def test_a_whole_table_moves_and_is_measured_as_the_library_does(compute, shift):
    images, texts = draw_pairs(2)
    n = len(images)
    upper = np.triu_indices(n, 1)
    found = compute(
        "gram_engine",
        """const { movePairs } = await import("/landscape_engine.js");
        const { n } = a.p;
        const table = m.wholeTable(a.p.gram, a.within, n);
        const moved = m.movedTable(movePairs(a.p).to(a.shift), table, n, new Float64Array(4 * n * n));
        const { matched, unmatched } = m.crossHistograms(moved, n, -1, 1, 8);
        return [[...moved], m.relativeGap(moved, n), [...matched], [...unmatched]]""",
        p=as_pairs(images, texts),
        within=np.concatenate([(side @ side.T)[upper] for side in (images, texts)]).tolist(),
        shift=shift,
    )
    x, y = landscape.shift(images, texts, shift)
    rows = np.concatenate([x, y])
    assert np.allclose(np.reshape(found[0], (2 * n, 2 * n)), rows @ rows.T, atol=1e-6)
    assert found[1] == pytest.approx(metrics.relative_modality_gap(x, y), abs=1e-6)
    cross, own = x @ y.T, np.eye(n, dtype=bool)
    for counts, chosen in zip(found[2:], (own, ~own), strict=True):
        assert counts == np.histogram(cross[chosen], 8, (-1, 1))[0].tolist()


# --- the sphere


@pytest.mark.parametrize("mismatched", [True, False])
@pytest.mark.parametrize("elevation, tau", [(0, 1), (-37, 0.1), (80, 1 / 35), (53, 0.01)])
def test_the_sphere_is_the_librarys_in_a_mirror(compute, elevation, tau, mismatched):
    found = compute(
        "sphere_engine",
        "return m.measureSphere(20, a.elevation, a.tau, a.mismatched)",
        elevation=elevation,
        tau=tau,
        mismatched=mismatched,
    )
    pairs = sphere.six_pairs(-elevation, mismatched=mismatched)
    assert found["numbers"]["gap"] == pytest.approx(metrics.modality_gap(*pairs))
    assert found["numbers"]["loss"] == pytest.approx(metrics.contrastive_loss(*pairs, tau))
    curve = sphere.loss_curve(lambda e: sphere.six_pairs(e, mismatched=mismatched), range(-90, 91), tau)
    assert found["curve"] == pytest.approx(curve)


# --- the address


@pytest.mark.parametrize(
    "hash_, anchor, states",
    [
        ("", "", {}),
        ("#limits", "limits", {}),
        ("#gap.shift=0.5&gap.tau=.01", "", {"gap": {"shift": "0.5", "tau": ".01"}}),
        ("#a.b&cone-2.activation=leaky%20relu", "a.b", {"cone-2": {"activation": "leaky relu"}}),
        ("#gap.shift=%", "", {"gap": {"shift": "%"}}),
        ("#__proto__.x=1", "", {"__proto__": {"x": "1"}}),
    ],
)
def test_an_address_is_read(compute, hash_, anchor, states):
    found = compute("address", "return JSON.stringify(m.readHash(a.h))", h=hash_)
    assert compute("address", "return ({}).x === undefined")
    assert json.loads(found) == {"anchor": anchor, "states": states}
    again = compute("address", "return JSON.stringify(m.readHash(m.writeHash(m.readHash(a.h))))", h=hash_)
    assert json.loads(again) == json.loads(found)


def test_what_makes_no_sense_in_an_address_is_left_out(compute):
    found = compute(
        "address",
        "const [bounded, flags] = [['1', '1.01', '', 'x', 'NaN', '-1'], ['true', 'yes']];"
        "return [...bounded.map(m.between(-1, 1)), ...flags.map(m.yesOrNo)]"
        ".map(v => v === undefined ? 'nothing' : v)",
    )
    assert found == [1, "nothing", "nothing", "nothing", "nothing", -1, True, "nothing"]
