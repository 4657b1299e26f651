"""A release has one version and forgets no folder; hooks and tools say whom they call and who calls them."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import mgaplib

ROOT = Path(__file__).resolve().parent.parent
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))


def test_the_version_is_written_once_and_the_changelog_and_the_citation_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" in project["project"]["dynamic"] and "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "mgaplib.__version__"}
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", changes, re.M)
    assert headings[0] == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(mgaplib.__version__)}\] - \d{{4}}-\d\d-\d\d", headings[1])
    assert (
        yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == mgaplib.__version__
    )


@pytest.fixture
def check_tag(tmp_path):
    """The release's own first step, run in a copy of the clone."""
    shutil.copytree(ROOT / "mgaplib", tmp_path / "mgaplib", ignore=shutil.ignore_patterns("*.json"))
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    step = next(s for s in WORKFLOW["jobs"]["release"]["steps"] if "GITHUB_REF_NAME" in s.get("run", ""))

    def run(tag: str):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = {**os.environ, "GITHUB_REF_NAME": tag, "PATH": path, "PYTHONPATH": str(tmp_path)}
        return subprocess.run(
            ["bash", "-e", "-c", step["run"]], cwd=tmp_path, env=env, capture_output=True, text=True
        )

    return run


def test_a_tag_that_is_not_the_version_makes_no_release(check_tag):
    done = check_tag("v9.9.9")
    assert done.returncode == 1
    assert f"the tag is v9.9.9 and mgaplib.__version__ is {mgaplib.__version__}" in done.stdout


def test_the_tag_of_this_version_is_released_with_its_part_of_the_changelog(check_tag, tmp_path):
    done = check_tag(f"v{mgaplib.__version__}")
    assert done.returncode == 0, done.stdout + done.stderr
    notes = (tmp_path / "notes.md").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert notes.strip() == re.split(r"^## .+$", changes, flags=re.M)[2].strip()


def test_a_version_without_a_part_of_the_changelog_is_not_released(check_tag, tmp_path):
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n- all\n")
    done = check_tag(f"v{mgaplib.__version__}")
    assert done.returncode == 1
    assert f"nothing under ## [{mgaplib.__version__}]" in done.stdout


def test_the_source_archive_forgets_no_folder():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    manifest = (ROOT / "MANIFEST.in").read_text(encoding="utf-8")
    named = set(re.findall(r"^graft (\S+)", manifest, re.M)) | {"mgaplib"}
    named |= set(re.search(r"^include (.+)$", manifest, re.M)[1].split())
    named |= {"LICENSE", "MANIFEST.in", "README.md", "pyproject.toml"}
    assert {name.partition("/")[0] for name in tracked} - named == set()


def test_the_hooks_call_what_the_unit_tests_call():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0][
        "hooks"
    ]
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$(PY)", ".venv/bin/python")
    for hook in hooks:
        assert hook["entry"].removesuffix(" --force-exclude") in recipe


def test_each_tool_and_extension_says_in_its_first_line_who_calls_it():
    files = [
        path
        for name in ("_ext", "tools")
        for path in (ROOT / name).iterdir()
        if path.suffix in {".js", ".py"}
    ]
    first = {path.name: path.read_text(encoding="utf-8").split("\n")[0] for path in files}
    assert len(first) > 10
    assert [name for name, line in first.items() if not re.match(r'("""|// )Called by ', line)] == []


def test_what_zenodo_reads_has_what_it_asks_for_and_says_what_the_citation_says():
    told = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"title", "description", "upload_type", "creators", "license", "access_right"} <= told.keys()
    assert (told["title"], told["license"], told["upload_type"]) == (
        cited["title"],
        cited["license"],
        cited["type"],
    )
    assert [one["name"] for one in told["creators"]] == [one["name"] for one in cited["authors"]]
    papers = [one["identifier"] for one in told["related_identifiers"]]
    assert len(papers) == len(cited["references"]) and all(
        re.fullmatch(r"arXiv:\d{4}\.\d{5}", one) for one in papers
    )
