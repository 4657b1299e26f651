"""The command line: `python -m mgaplib report IMAGES TEXTS -o report.html`, `python -m mgaplib compare A B`.

The answer is on standard output, all else on standard error. Exit status: 0 if all went well, 2 if the input
makes no sense or a file cannot be read or written.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import numpy as np

from mgaplib import checks, embeddings, output

_FILES = f"a file that ends in {', '.join(embeddings.SUFFIXES)}, or FILE::NAME for one array of several"
_MODEL = (
    "for --pairs: an open_clip architecture, such as ViT-B-32, or transformers:NAME or "
    "sentence-transformers:NAME, a model on Hugging Face's hub or in a folder"
)
_SETS = "one a set, with both modalities, or two: images, texts"
_GROUPS = (
    "who belongs to whom: a label a line for aligned rows, or the number of each text's image; "
    "given twice, labels of the images and of the texts; 'equal' takes equal rows as one"
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line with these arguments, or the process's own, and return its exit status."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that is ASCII gets all else as \\u03c4 and the like
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as end:  # argparse has said why
        output.say(b"")  # of --help, too, one may read the first line only
        return int(end.code or 0)
    try:
        options.run(options)
        return 0
    except KeyboardInterrupt:
        print("mgaplib: stopped", file=sys.stderr)
        return 130
    except MemoryError as error:
        said = str(error)
        if "into memory; " not in said:  # of a file, that is, which has been said
            said = str(error.__cause__ or error) or "memory is full"
            said = f"{said}; lower --max-pairs, which is {options.max_pairs}"
    except (OSError, ValueError, TypeError, ImportError) as error:
        said = str(error)
    print(f"mgaplib: {said}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    about = "Measure the modality gap of your embeddings."
    parser = argparse.ArgumentParser(prog="mgaplib", description=about)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    report = commands.add_parser("report", help="measure one set of pairs", description=_report.__doc__)
    add = report.add_argument
    add("images", nargs="?", help=f"the images: {_FILES}")
    add("texts", nargs="?", help="the texts; left out if the first file holds both")
    add("more", nargs="*", help="further modalities: every two are measured")
    add("--names", metavar="A,B,C", help="what the files hold, such as audio,text or image,text,audio")
    add("-o", "--output", metavar="FILE", help="write one self-contained HTML page; - for standard output")
    add("--pairs", metavar="FOLDER", help="pictures and their captions, in captions.csv say, to embed")
    add("--model", metavar="NAME", help=_MODEL)
    add("--pretrained", metavar="TAG", help="an architecture's weights: a tag of open_clip or a checkpoint")
    add("--unpaired", action="store_true", help="nobody belongs to anybody: leave out what needs pairs")
    add("--score", type=float, help="a cosine of yours: is it high?")
    add("--rate", type=float, default=0.01, help="false-positive rate of the thresholds (0.01)")
    report.set_defaults(run=_report)
    compare = commands.add_parser("compare", help="two sets side by side", description=_compare.__doc__)
    compare.add_argument("files", metavar="FILE", nargs="+", help=_SETS)
    compare.set_defaults(run=_compare)
    for command in (report, compare):
        command.add_argument("--tau", type=float, help="temperature of the loss (the model's own, else 0.01)")
        command.add_argument("--groups", metavar="FILE", action="append", help=_GROUPS)
        command.add_argument("--json", action="store_true", help="print JSON")
        command.add_argument("--max-pairs", type=int, default=2000, help="measure at most as many (2000)")
        command.add_argument("--seed", type=int, default=0, help="of the drawing and the splits (0)")
    return parser


def _report(options) -> None:
    """Print what can be said about a set of pairs, and write it as a page if asked to."""
    from mgaplib.report.report import measure

    if options.names is not None:
        options.names = options.names.split(",")
    several = options.more or len(options.names or ()) > 2
    if not several:
        _check_options(options)
    if options.output is not None:
        options.output = "-" if options.output == "/dev/stdout" else options.output
        _check_output(options)
    if several:
        found, extras = _several(options), {}
    else:
        images, texts, groups, extras, tau = _pairs(options)
        found = measure(
            images,
            texts,
            groups=groups,
            paired=False if options.unpaired else None,
            tau=tau if options.tau is None else options.tau,
            false_positive_rate=options.rate,
            score=options.score,
            names=options.names or ("image", "text"),
            max_pairs=options.max_pairs,
            seed=options.seed,
        )
    if options.output == "-":
        output.say(_page(found, extras))
        return
    output.say(json.dumps(found.to_dict(), indent=1) if options.json else str(found))
    if options.output is not None:
        output.write_whole(options.output, _page(found, extras))
        if not options.json:
            output.say(f"\nThe page is {options.output}.")


def _several(options):
    """Return the report of three files or more."""
    from mgaplib.metrics.several import distinct_names
    from mgaplib.report.several import measure_several

    if (options.pairs, options.score, options.tau, options.groups) != (None,) * 4 or options.unpaired:
        given = "--groups, --unpaired, --pairs, --score and --tau"
        raise ValueError(f"{given} are of two modalities: leave them out, or name two files")
    files = [name for name in (options.images, options.texts, *options.more) if name is not None]
    names = [Path(name).stem for name in files] if options.names is None else options.names
    if len(names) != len(files):
        raise ValueError(f"--names names {len(names)} modalities and there are {len(files)} files; name each")
    named = zip(distinct_names(names), files, strict=True)
    sets = {name: embeddings.read_embeddings(file) for name, file in named}
    return measure_several(sets, max_rows=options.max_pairs, seed=options.seed)


def _check_options(options) -> None:
    """Refuse, before minutes of work, what no report can be made with."""
    from mgaplib.report.report import MIN_PAIRS

    if options.tau is not None:
        checks.temperature(options.tau, "--tau")
    if options.score is not None:
        checks.within(options.score, "--score", -1, 1, "pass a cosine, -1 to 1")
    checks.whole(options.max_pairs, "--max-pairs", MIN_PAIRS, None, f"at least {MIN_PAIRS} are needed")
    checks.whole(options.seed, "--seed", 0, None, "pass a whole number from 0 on")
    if not 0 < options.rate < 1:
        raise ValueError(f"--rate is {options.rate:g}; pass a share such as 0.01")
    if options.pairs is not None and options.model is not None:
        names, _ = embeddings.read_captions(options.pairs)
        pictures = len(set(names))
        if pictures < MIN_PAIRS and options.groups is None:
            raise ValueError(f"{options.pairs} has {pictures} pictures; at least {MIN_PAIRS} are needed")
        half = min(pictures, options.max_pairs) // 2
        least = 1 / (half * (half - 1) * len(names) / pictures + 1)  # strangers where thresholds are learnt
        if options.rate < least:
            why = f"which {len(names)} pairs cannot show"
            raise ValueError(f"--rate is {options.rate:g}, {why}; pass {least:.2g} or more")


def _page(found, extras: dict) -> bytes:
    return found.to_html(**extras).encode(errors="xmlcharrefreplace")  # half a surrogate, from a caption


def _check_output(options) -> None:
    """Refuse a place for the page where it cannot or must not be written."""
    if options.output == "-" and options.json:
        raise ValueError("--json and -o - would both write to standard output; name a file after -o")
    place = Path(options.output)
    if options.output == "-" or output.is_special(place):
        return
    if place.is_dir():
        raise IsADirectoryError(f"{options.output!r} is a folder; name a file, such as report.html")
    if not place.resolve().parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(place.parent)!r} to write the report into")
    inputs = [options.images, options.texts, *options.more]
    if place.resolve() in {Path(name.partition("::")[0]).resolve() for name in inputs if name}:
        raise ValueError(f"the report would take the place of {place}; give it another name")


def _pairs(options) -> tuple:
    """Return images, texts, who belongs to whom, what belongs to each pair, and the temperature."""
    if options.unpaired and options.groups is not None:
        raise ValueError("--groups says who belongs to whom, and --unpaired that nobody does; pass one")
    groups = _groups(options.groups)
    if options.pairs is None:
        if options.model or options.pretrained:
            raise ValueError("--model embeds a folder: name it with --pairs FOLDER")
        if options.images is None:
            raise ValueError("name the files of the images and texts, or a folder with --pairs and --model")
        images, texts = embeddings.read_pairs(options.images, options.texts, aligned=False)
        return images, texts, groups, {}, 0.01
    if options.images is not None:
        raise ValueError("pass either files or --pairs, not both")
    if options.model is None:
        raise ValueError("--pairs needs --model, such as --model ViT-B-32 --pretrained openai")
    from mgaplib.embeddings.folder import embed_folder

    folder = embed_folder(options.pairs, options.model, options.pretrained)
    if folder.too_long:
        long = f"{folder.too_long} of {len(folder.captions)} captions are longer than {options.model} reads"
        print(f"mgaplib: {long}; the rest of them is not seen", file=sys.stderr)
    if groups is None and not options.unpaired:
        groups = folder.groups
    extras = {"captions": folder.captions, "thumbnails": folder.thumbnails}
    return folder.images, folder.texts, groups, extras, folder.tau


def _groups(files: list[str] | None):
    """Return what `--groups` says."""
    if files is None or files == ["equal"]:
        return files and files[0]
    if len(files) > 2:
        raise ValueError(
            f"--groups was given {len(files)} times; once, or twice: of the images, of the texts"
        )
    first, *second = map(embeddings.read_labels, files)
    if second:
        return first, *second
    whole = first.dtype.kind == "U" and all(re.fullmatch("0|[1-9][0-9]*", label) for label in first)
    return first.astype(int) if whole else first  # which may be the numbers of rows


def _compare(options) -> None:
    """Print the metrics of two sets of pairs side by side, in pools of one size."""
    import pandas as pd

    from mgaplib import metrics
    from mgaplib.report.report import RELATIONS, drawn

    checks.whole(options.max_pairs, "--max-pairs", 4, None, "at least 4 are needed")
    checks.whole(options.seed, "--seed", 0, None, "pass a whole number from 0 on")
    tau = 0.01 if options.tau is None else checks.temperature(options.tau, "--tau")
    if len(options.files) not in (2, 4):
        raise ValueError(
            f"compare was given {len(options.files)} files; pass two, each with images and texts, or four: "
            "the images and texts of one set, then those of the other"
        )
    half = len(options.files) // 2
    chosen = options.files[:half], options.files[half:]
    places = [[_place(file) for file in files] for files in chosen]
    if places[0] == places[1]:
        raise ValueError(f"A and B are both {' '.join(chosen[0])}; pass two sets")
    rng, groups, sets, found = np.random.default_rng(options.seed), _groups(options.groups), {}, {}
    for files in chosen:
        both = embeddings.read_pairs(*files, aligned=groups is None)
        sets[" ".join(files)] = drawn(*both, groups, True, options.max_pairs, rng, least=4)
    # Recall falls with the pool, and a gap of few pairs is too long: only equal numbers can be compared.
    n = min(len(pairs) for pairs, *_ in sets.values())
    for name, (pairs, *_) in sets.items():
        some = pairs.take(np.sort(rng.choice(len(pairs), n, replace=False))) if len(pairs) > n else pairs
        found[name] = metrics.gap_report(some, tau=tau, seed=options.seed).value
    known = [how for *_, how in sets.values()]
    what = "pairs" if known == ["aligned"] * 2 else "groups"
    table = pd.DataFrame(found)
    first, second = sets
    table["difference"] = table[second] - table[first]
    if options.json:
        output.say(json.dumps({what: n, "metrics": table.to_dict(orient="index")}, indent=1))
    else:
        said = dict.fromkeys(RELATIONS[how] for how in known if RELATIONS[how])
        output.say("\n".join([f"{n} {what} of each", *said, table.round(4).to_string()]))


def _place(file: str) -> str:
    path, mark, name = file.partition("::")
    return f"{Path(path).resolve()}{mark}{name}"


if __name__ == "__main__":
    sys.exit(main())
