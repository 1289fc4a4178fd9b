"""Every word of the glossary is a word of the chapters, and has its Chinese name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHINESE = re.compile(r"[\u4e00-\u9fff]")
# Written the same way in Chinese texts.
SAME = {"Dirac-GAN", "transformer"}


def entries(page: str) -> dict[str, tuple[list[str], str]]:
    """English word -> its other names, and its sentence."""
    body = re.search(r"^:::\{glossary\}\n(.*?)^:::", page, re.S | re.M)
    assert body, "the page has no glossary"
    found = {}
    for block in body[1].strip().split("\n\n"):
        lines = block.splitlines()
        words = [line for line in lines if not line.startswith(" ")]
        found[words[0]] = (words[1:], " ".join(line.strip() for line in lines[len(words) :]))
    return found


def place(name: str) -> str:
    """The text of a chapter, or of the appendix."""
    if name == "Appendix A":
        return (ROOT / "book" / "background.md").read_text(encoding="utf-8")
    (path,) = (ROOT / "chapters").glob(f"{int(name.split()[1]):02d}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


GLOSSARY = entries((ROOT / "book" / "glossary.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("word", GLOSSARY)
def test_the_place_that_introduces_a_word_has_it(word: str) -> None:
    _, sentence = GLOSSARY[word]
    named = re.search(r"\*((?:Chapter \d|Appendix A))\.\*$", sentence)
    assert named, f"{word}: the entry does not end with its place"
    text = re.sub(r"\s+", " ", place(named[1]).replace("\u2011", "-"))
    assert re.search(rf"(?<![a-z]){re.escape(word)}", text, re.I), f"{named[1]} does not use {word!r}"
    assert len(sentence) > 30


def test_words_have_chinese_names_and_no_name_is_given_twice() -> None:
    without = {word for word, (names, _) in GLOSSARY.items() if not any(CHINESE.search(n) for n in names)}
    assert without == SAME
    every = [name.lower() for word, (names, _) in GLOSSARY.items() for name in (word, *names)]
    assert sorted({name for name in every if every.count(name) > 1}) == []
    assert 100 <= len(GLOSSARY) <= 180
    assert list(GLOSSARY) == sorted(GLOSSARY, key=str.lower)
    print(f"glossary: {len(GLOSSARY)} words")


def test_the_words_of_the_source_documents_are_there() -> None:
    known = {name for names, _ in GLOSSARY.values() for name in names}
    sources = "自编码器 编码器 解码器 生成器 判别器 隐变量 重建 梯度"
    sources += " 交叉熵 模式崩溃 先验分布 过拟合 数据增强 异常 变分自编码器"
    assert set(sources.split()) <= known


def test_an_entry_without_its_place_is_seen() -> None:
    found = entries(":::{glossary}\ncode\n编码\n  A list. *Chapter 1.*\n\nlogit\n  A number.\n:::\n")
    assert found == {"code": (["编码"], "A list. *Chapter 1.*"), "logit": ([], "A number.")}
