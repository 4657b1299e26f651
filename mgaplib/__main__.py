"""The command line: `python -m mgaplib report IMAGES TEXTS -o report.html`, `python -m mgaplib compare A B`.

Exit status: 0 if all went well, 2 if the input makes no sense or a file cannot be read or written.
"""

import argparse
import contextlib
import json
import sys
from pathlib import Path

import numpy as np

from mgaplib import embeddings, output

_FILES = "a .npy, .npz, .parquet or .safetensors file, or FILE::NAME for one array of several"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line with these arguments, or the process's own, and return its exit status."""
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as end:  # argparse has said why
        return int(end.code or 0)
    try:
        options.run(options)
    except (OSError, ValueError, TypeError, ImportError) as error:
        print(f"mgaplib: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mgaplib: stopped", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mgaplib", description="Measure the modality gap of your embeddings."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    report = commands.add_parser("report", help="measure one set of pairs", description=_report.__doc__)
    add = report.add_argument
    add("images", nargs="?", help=f"the images: {_FILES}")
    add("texts", nargs="?", help="the texts; left out if the first file holds both")
    add("more", nargs="*", help="further modalities: every two are measured")
    add("--names", metavar="A,B,C", help="what three files or more hold, such as image,text,audio")
    add("-o", "--output", metavar="FILE", type=Path, help="write one self-contained HTML page")
    add("--pairs", metavar="FOLDER", help="pictures and captions.csv (image,caption), to embed")
    add("--model", metavar="NAME", help="open_clip architecture for --pairs, such as ViT-B-32")
    add("--pretrained", metavar="TAG", help="its weights: a tag of open_clip or a checkpoint")
    add("--score", type=float, help="a cosine of yours: is it high?")
    add("--tau", type=float, help="temperature of the loss (the model's own, else 0.01)")
    add("--rate", type=float, default=0.01, help="false-positive rate of the thresholds (0.01)")
    report.set_defaults(run=_report)
    compare = commands.add_parser("compare", help="two sets side by side", description=_compare.__doc__)
    compare.add_argument("first", metavar="A", help="a file that holds images and texts")
    compare.add_argument("second", metavar="B", help="another")
    compare.set_defaults(run=_compare)
    for command in (report, compare):
        command.add_argument("--json", action="store_true", help="print JSON; the rest on standard error")
        command.add_argument("--max-pairs", type=int, default=2000, help="measure at most as many (2000)")
        command.add_argument("--seed", type=int, default=0, help="of the drawing and the splits (0)")
    return parser


def _report(options) -> None:
    """Print what can be said about a set of pairs, and write it as a page if asked to."""
    from mgaplib.report.report import measure

    if options.output is not None:  # said before minutes of work
        _check_output(options.output, [options.images, options.texts, *options.more])
    with _aside(options.json):
        if options.more or options.names is not None:
            found, extras = _several(options), {}
        else:
            images, texts, extras, tau = _pairs(options)
            found = measure(
                images,
                texts,
                tau=tau if options.tau is None else options.tau,
                false_positive_rate=options.rate,
                score=options.score,
                max_pairs=options.max_pairs,
                seed=options.seed,
            )
        if options.output is not None:
            output.write_whole(options.output, found.to_html(**extras).encode())
    print(json.dumps(found.to_dict(), indent=1) if options.json else found)
    if options.output is not None and not options.json:
        print(f"\nThe page is {options.output}.")


def _several(options):
    """Return the report of three files or more, or of two that are named."""
    from mgaplib.metrics.several import distinct_names
    from mgaplib.report.several import measure_several

    if options.pairs is not None or options.score is not None or options.tau is not None:
        raise ValueError(
            "--pairs, --score and --tau are of two modalities: leave them out, or name two files"
        )
    files = [name for name in (options.images, options.texts, *options.more) if name is not None]
    names = [Path(name).stem for name in files] if options.names is None else options.names.split(",")
    if len(names) != len(files):
        raise ValueError(f"--names names {len(names)} modalities and there are {len(files)} files; name each")
    named = zip(distinct_names(names), files, strict=True)
    sets = {name: embeddings.read_embeddings(file) for name, file in named}
    return measure_several(sets, max_rows=options.max_pairs, seed=options.seed)


def _check_output(output: Path, inputs: list[str | None]) -> None:
    """Refuse a place for the page where it cannot or must not be written."""
    if not output.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(output.parent)!r} to write the report into")
    if output.is_dir():
        raise IsADirectoryError(f"{str(output)!r} is a folder; name a file, such as report.html")
    if output.resolve() in {Path(name.partition("::")[0]).resolve() for name in inputs if name}:
        raise ValueError(f"the report would take the place of {output}; give it another name")


def _pairs(options) -> tuple:
    """Return images, texts, what belongs to each pair, and the temperature."""
    if options.pairs is None:
        if options.model or options.pretrained:
            raise ValueError("--model embeds a folder: name it with --pairs FOLDER")
        if options.images is None:
            raise ValueError("name the files of the images and texts, or a folder with --pairs and --model")
        return *embeddings.read_pairs(options.images, options.texts), {}, 0.01
    if options.images is not None:
        raise ValueError("pass either files or --pairs, not both")
    if options.model is None:
        raise ValueError("--pairs needs --model, such as --model ViT-B-32 --pretrained openai")
    from mgaplib.embeddings.folder import embed_folder

    folder = embed_folder(options.pairs, options.model, options.pretrained)
    return (
        folder.images,
        folder.texts,
        {"captions": folder.captions, "thumbnails": folder.thumbnails},
        folder.tau,
    )


def _compare(options) -> None:
    """Print the metrics of two sets of pairs side by side, in pools of one size."""
    import pandas as pd

    from mgaplib import checks, metrics
    from mgaplib.pairs import Pairs

    checks.whole(options.max_pairs, "--max-pairs", 4, None, "at least 4 are needed")
    checks.whole(options.seed, "--seed", 0, None, "pass a whole number from 0 on")
    if Path(options.first).resolve() == Path(options.second).resolve():
        raise ValueError(f"A and B are both {options.first}; pass two files")
    sets = {name: embeddings.read_pairs(name) for name in (options.first, options.second)}
    # Recall falls with the pool, and a gap of few pairs is too long: only equal numbers can be compared.
    n = min(options.max_pairs, *(len(images) for images, _ in sets.values()))
    rng, found = np.random.default_rng(options.seed), {}
    for name, (images, texts) in sets.items():
        rows = np.sort(rng.choice(len(images), n, replace=False))
        pairs = Pairs.of(images[rows], texts[rows], min_rows=4)
        with _aside(options.json):
            found[name] = metrics.gap_report(pairs, seed=options.seed).value
    table = pd.DataFrame(found)
    table["difference"] = table[options.second] - table[options.first]
    if options.json:
        print(json.dumps({"pairs": n, "metrics": table.to_dict(orient="index")}, indent=1))
    else:
        print(f"{n} pairs of each")
        print(table.round(4).to_string())


def _aside(wanted: bool):
    """Send what would be printed, progress for instance, to standard error."""
    return contextlib.redirect_stdout(sys.stderr) if wanted else contextlib.nullcontext()


if __name__ == "__main__":
    sys.exit(main())
