"""Words in answers: units, option letters, number words, plain text."""

from __future__ import annotations

import re

__all__ = ["bare", "choice", "factor", "filler", "label_free", "number", "phrases", "qualifying", "unit"]

_LENGTHS = {
    "mm": "mm millimeter millimetre",
    "cm": "cm centimeter centimetre",
    "m": "m meter metre",
    "km": "km kilometer kilometre",
    "in": "in inch inche",
    "ft": "ft foot feet",
    "yd": "yd yard",
    "mi": "mi mile",
    "unit": "unit",
}
_OTHERS = {
    "s": "s sec second",
    "min": "min minute",
    "h": "h hr hour",
    "day": "day",
    "week": "week",
    "month": "month",
    "year": "year yr",
    "mg": "mg milligram",
    "g": "g gram",
    "kg": "kg kilogram",
    "lb": "lb pound",
    "oz": "oz ounce",
    "ml": "ml milliliter millilitre",
    "l": "l liter litre",
    "gal": "gal gallon",
    "$": "$ dollar usd buck money",
    "cent": "cent penny pennie",
    "deg": "deg degree",
    "celsius": "celsius c",
    "fahrenheit": "fahrenheit f",
    "rad": "rad radian",
    "%": "% percent percentage",
    "mph": "mph",
    "kph": "kph kmh",
}
NAMES = {name: unit for unit, text in (_LENGTHS | _OTHERS).items() for name in text.split()}
POWERS = {"square": "2", "squared": "2", "sq": "2", "cubic": "3", "cubed": "3", "cu": "3"}

SCALES = {"hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9, "trillion": 10**12}

FILLER = frozenset(
    "about approximately exactly roughly answer answers the a an is are it its total of equals rs".split()
)
QUALIFIERS = frozenset("or not more less fewer least most than wrong maybe perhaps between incorrect".split())
ARTICLES = frozenset("the a an is are it its it's on in at answer".split())

MODULUS = re.compile(r"\s*mod(?:ulo)? ([0-9]{1,9})\s*")
COMMAND = re.compile(r"\\(?:text|math|operatorname|mbox|hbox|emph|boldsymbol|bm)[a-z]*\*?(?=\s*\{)")
OPTION = re.compile(
    r"(?:(?:the )?(?:correct )?(?:option|choice|answer)\s*(?:is)?\s*:?\s*)?"
    r"(?:\(([A-J])\)|([A-J])(?![A-Za-z0-9_^+*=/(]))\s*[.):,]?(.*)",
    re.DOTALL | re.IGNORECASE,
)
LABEL = re.compile(
    r"\s*(?:\\(?:text|mathrm|mathbf|textbf)[a-z]*\s*\{)?\s*(?:\([A-E]\)|[A-E][.)])\s*\}?[\s~]*(?=[^\s,])"
)

ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen""".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
VALUES = {word: value for value, word in enumerate(ONES)} | {word: 10 * value for value, word in enumerate(TENS, 2)}


def bare(text: str) -> str:
    """Return text without the commands and braces that set words in LaTeX."""
    text = COMMAND.sub(" ", text)
    return re.sub(r"\s+", " ", re.sub(r"[{}~]|\\[ ,;:!]", " ", text)).strip()


def phrases(text: str) -> frozenset[str]:
    """Return the phrases of a text: lower case, no articles, no punctuation; "Alice and Bob" has two, in no order."""
    parts = re.split(r"\s*(?:,|;|\band\b|&)\s*", bare(text).lower())
    words = (re.findall(r"[a-z0-9']+", part.replace("-", " ")) for part in parts)
    return frozenset(_plain(part) for part in words) - {""}


def _plain(part: list[str]) -> str:
    # A single "a" is a letter, not an article.
    return " ".join(_singular(word) for word in part if len(part) == 1 or word not in ARTICLES)


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def choice(text: str) -> str | None:
    """Return the option letter that an answer names ("B", "(B)", "option B", "B. 5"), "?" for several, else `None`."""
    plain = bare(text)
    found = OPTION.fullmatch(plain)
    if found is None:
        return None
    rest = found[3].strip()
    letters = re.findall(r"\(([A-J])\)|(?<![\w\\])([A-J])(?![\w'])", rest)
    letter = (found[1] or found[2]).upper()
    if letters and any((a or b) != letter for a, b in letters):
        return "?"
    plainly = plain.rstrip(".)")[-1:].isalpha() and not rest
    # "a cat" begins with no option, "B 5" does.
    marked = (
        found[1] is not None or re.match(r"[A-J]\s*[.):,]", plain) is not None or "ption" in plain or "hoice" in plain
    )
    return letter if plainly or marked or re.match(r"[\d$\\]", rest) else None


def label_free(text: str) -> str:
    """Return an answer without the option label in front of its value: "(B) 5" is 5."""
    return LABEL.sub("", text, count=1)


def unit(text: str) -> str:
    """Return the canonical measure of a unit's text ("square cm" and "cm^2" are cm2); "" for what is no measure."""
    if modulus := MODULUS.fullmatch(text):
        return f"mod {modulus[1]}"
    found, power = [], ""
    for word in re.findall(r"[a-z$%]+|[0-9]|/", text.lower().replace("p.m", "pm").replace("a.m", "am")):
        singular = word if word in NAMES else word.removesuffix("s")
        if word in POWERS:
            power = POWERS[word]
        elif word.isdigit():
            power = power or word
        elif singular in NAMES:
            found.append(NAMES[singular])
        elif word in ("per", "/"):
            found.append("/")
    # "units" measure nothing beyond being squared or cubed.
    name = " ".join(found).replace("mi / h", "mph").replace("km / h", "kph").replace("unit", "")
    return f"{name}{power}" if name else ""


def factor(text: str) -> int:
    """Return the factor that a unit's text begins with: a million for "million dollars", 1 for "dollars"."""
    first = re.match(r"[a-z]+", text.lower())
    return SCALES.get(first[0], 1) if first else 1


def qualifying(text: str) -> bool:
    """Whether words behind a value take it back or leave it open: "5 or more", "5 is wrong"."""
    return not QUALIFIERS.isdisjoint(re.findall(r"[a-z]+", text.lower()))


def filler(text: str) -> bool:
    """Whether words before a value say nothing about it."""
    return all(word in FILLER for word in re.findall(r"[a-z]+", text.lower()))


def number(text: str) -> int | None:
    """Return the value of number words up to the millions, `None` for anything else."""
    words = [word for word in re.findall(r"[a-z]+", text.lower()) if word != "and"]
    if not words or not re.fullmatch(r"[A-Za-z\s-]+", text.strip()) or len(words) > 20:
        return None
    total = part = 0
    for word in words:
        if word in VALUES:
            part += VALUES[word]
        elif word == "hundred" and part:
            part *= 100
        elif word in SCALES and part:
            total, part = total + part * SCALES[word], 0
        else:
            return None
    return total + part
