r"""From LaTeX or plain text to tokens: dressing goes, notation becomes one spelling, words stay words.

A token is a number (`3.5`), a letter (`x`), a function or constant (`sin`, `pi`), a symbol, a command (`\frac`), or a
piece of text, which starts with a double quote (`"cm`).
"""

from __future__ import annotations

import re
from functools import lru_cache

from rewards.verify.math import words
from rewards.verify.math.tree import Unreadable
from rewards.verify.numbers import normalise

__all__ = ["FUNCTIONS", "MAX_LENGTH", "clean", "separated", "tokens"]

# No answer of a MATH problem comes near this; the parser's cost is bounded by it.
MAX_LENGTH = 5_000
MAX_TOKENS = 1_500
MAX_WRAPPERS = 20

FUNCTIONS = frozenset(
    """sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh
    cis ln log lg exp sqrt cbrt abs floor ceil binom""".split()
)
SPELLINGS = {
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "ceiling": "ceil",
    "infinity": "inf",
    "infty": "inf",
    "oo": "inf",
}
GREEK = frozenset(
    """alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau
    upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega ell""".split()
)

UNICODE = {
    **{"\u221a": r"\sqrt ", "\u03c0": r"\pi ", "\u00d7": r"\times ", "\u00f7": r"\div ", "\u00b7": r"\cdot "},
    **{"\u22c5": r"\cdot ", "\u2217": "*", "\u2264": r"\le ", "\u2265": r"\ge ", "\u2a7d": r"\le ", "\u2a7e": r"\ge "},
    **{"\u2260": r"\ne ", "\u2248": r"\approx ", "\u221e": r"\infty ", "\u222a": r"\cup ", "\u2208": r"\in "},
    **{"\u00b1": r"\pm ", "\u2213": r"\mp ", "\u00b0": r"\degree ", "\u2205": r"\emptyset ", "\u211d": r"\mathbb{R}"},
    **{"\u221b": r"\sqrt[3]", "\u2026": r"\ldots ", "\u22ef": r"\ldots ", "\u2229": r"\cap ", "\u2216": r"\setminus "},
    **{"\u03b8": r"\theta ", "\u03b1": r"\alpha ", "\u03b2": r"\beta ", "\u03bb": r"\lambda ", "\u03c6": r"\phi "},
    **{"\u27e8": r"\langle ", "\u27e9": r"\rangle ", "\u2032": "'", "\u2019": "'", "\u230a": r"\lfloor "},
    **{"\u230b": r"\rfloor ", "\u2308": r"\lceil ", "\u2309": r"\rceil ", "\u20ac": r"\euro ", "\u00a3": r"\pounds "},
    **{"\u215b": r"\frac{1}{8}", "\u215c": r"\frac{3}{8}", "\u215d": r"\frac{5}{8}", "\u215e": r"\frac{7}{8}"},
    **{"\u2155": r"\frac{1}{5}", "\u2159": r"\frac{1}{6}", "\u215a": r"\frac{5}{6}", "\u00a0": " ", "\u2212": "-"},
}
SUPERSCRIPTS = str.maketrans("\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207b\u207f", "0123456789-n")
SUBSCRIPTS = str.maketrans("\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089", "0123456789")
RAISED = re.compile("[\u2070\u00b9\u00b2\u00b3\u2074-\u2079\u207b\u207f]+")
LOWERED = re.compile("[\u2080-\u2089]+")

DRESSING = [
    (re.compile(r"\\left\s*\\\{\s*\\begin\s*\{(?:array|aligned)\}(?:\s*\{[^{}]*\})?"), r"\\begin{cases}"),
    (re.compile(r"\\end\s*\{(?:array|aligned)\}\s*\\right\s*\."), r"\\end{cases}"),
    (re.compile(r"(?:(?<=[\])])|(?<=\\\}))\s*U\s*(?=[\[({]|\\\{)"), r" \\cup "),
    (
        re.compile(r"(?:\\pmod|\\?\(\s*(?:\\bmod|\\?mod)(?![a-z]))\s*\{?\s*([0-9]{1,9})\s*\}?\s*(?:\\?\))?"),
        r"\\text{mod \1}",
    ),
    (re.compile(r"\\\\\s*\[\s*-?[0-9.]+\s*(?:pt|ex|em|mm|cm|in)\s*\]"), r"\\\\ "),
    (re.compile(r"\\(?:mathbf|mathit|mathrm|boldsymbol|bm)\s+(?=[A-Za-z0-9](?![A-Za-z]))"), " "),
    (re.compile(r"(?<=[0-9]),\s*\\!\s*(?=[0-9]{3}(?![0-9]))"), ","),
    # A dollar before a digit is money unless it is closed again.
    (re.compile(r"(?<!\\)(?:\\[\[\]()]|\$\$?(?![0-9])|\$(?=[^$]*\$))"), " "),
    (re.compile(r"\{\s*([,:])\s*\}"), r"\1"),
    (re.compile(r"\\(?:left|right)\s*\."), " "),
    (re.compile(r"\\(?:left|right|[bB]igg?[lrm]?|(?:display|text|script)style|limits|nolimits)(?![A-Za-z])"), ""),
    (
        re.compile(
            r"\\(?:rm|bf|it|sf|tt|em|(?:bf|md)series|itshape|tiny|scriptsize|footnotesize|small|normalsize)(?![A-Za-z])"
        ),
        "",
    ),
    (re.compile(r"\\(?:[lL]arge|LARGE|[hH]uge)(?![A-Za-z])"), ""),
    (re.compile(r"\\(?:underline|fbox|fcolorbox\s*\{[^{}]*\}\s*\{[^{}]*\})(?=\s*\{)"), ""),
    (re.compile(r"(?<=[0-9])(?:\\[,;: ]|~|\\thinspace)\s*(?=[0-9]{3}(?![0-9]))"), ""),
    (re.compile(r"\\!"), ""),
    (re.compile(r"(?<!\\)\\[,;: >]|~|\\q?quad(?![A-Za-z])|\\(?:thin|h|v)space(?:\*?\{[^{}]*\})?|\\(?:no)?break"), " "),
    (re.compile(r"\\(?:text)?color(?:box)?\s*\{[^{}]*\}|\\(?:checkmark|blacksquare|square)(?![A-Za-z])"), ""),
    (re.compile(r"\\h?phantom\s*\{[^{}]*\}"), ""),
    (re.compile(r"\^\s*\{?\s*\\circ(?![A-Za-z])\s*\}?|\\degrees?(?![A-Za-z])"), r"\\degree "),
    (re.compile(r"\\[dtcs]frac(?![a-z])"), r"\\frac"),
    (re.compile(r"\\[dt]binom"), r"\\binom"),
    (re.compile(r"\{([^{}]{0,40})\\choose([^{}]{0,40})\}"), r"\\binom{\1}{\2}"),
    (re.compile(r"(?<![0-9.])\.(?=\\(?:overline|bar|dot)(?![A-Za-z]))"), "0."),
    (re.compile(r"\\\\\s*\Z"), ""),
]
WRAPPER = re.compile(
    r"\s*\\(?:boxed|fbox|mathbf|boldsymbol|bm|mathit|textbf|textit|underline|mathrm|mbox|text|textrm|emph)\s*\{"
)
GROUPED = re.compile(r"(?<![0-9.])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])")
SPACED = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?: [0-9]{3})+(?![0-9])")
TRAILING = " \t\r\n.,;:!"

TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4}(?![0-9A-Za-z.]))?)
      | \\(?P<text>text(?:rm|bf|it|sf|tt|up|normal)?|mbox|mathrm|mathsf|mathbf|mathit|mathtt|operatorname\*?|boldsymbol
          |bm|hbox|textnormal|mathcal)\s*\{
      | \\mathbb\s*\{?\s*(?P<blackboard>[A-Z])\s*\}?
      | \\(?P<environment>begin|end)\s*\{(?P<kind>[a-zA-Z]+\*?)\}
      | (?P<command>\\(?:[A-Za-z]+|.))
      | (?P<word>[A-Za-z]+)
      | (?P<symbol>\*\*|<=|>=|!=|==|\+/-|\+-|->|\.\.\.|[^\s])""",
    re.VERBOSE | re.DOTALL,
)

SYMBOLS = {
    **dict.fromkeys([r"\cdot", r"\times", r"\ast", r"\bullet"], "*"),
    **dict.fromkeys([r"\div", "/"], "/"),
    **dict.fromkeys([r"\le", r"\leq", r"\leqslant", r"\leqq"], "<="),
    **dict.fromkeys([r"\ge", r"\geq", r"\geqslant", r"\geqq"], ">="),
    **dict.fromkeys([r"\ne", r"\neq"], "!="),
    **dict.fromkeys([r"\approx", r"\simeq", r"\doteq"], "~"),
    **dict.fromkeys([r"\pm", "+/-", "+-"], "pm"),
    **dict.fromkeys([r"\wedge", r"\land"], "and"),
    **dict.fromkeys([r"\vee", r"\lor"], "or"),
    **dict.fromkeys([r"\lvert", r"\rvert", r"\vert", r"\mid", "|"], "|"),
    **dict.fromkeys([r"\varnothing", r"\emptyset"], "empty"),
    **dict.fromkeys([r"\lbrace", r"\{"], "{{"),
    **dict.fromkeys([r"\rbrace", r"\}"], "}}"),
    **dict.fromkeys([r"\langle", r"\lparen"], "("),
    **dict.fromkeys([r"\rangle", r"\rparen"], ")"),
    **dict.fromkeys([r"\ldots", r"\dots", r"\cdots", r"\dotsc"], "..."),
    **dict.fromkeys([r"\|", r"\Vert", r"\lVert", r"\rVert"], "||"),
    **{r"\lt": "<", r"\gt": ">", r"\equiv": "=", "==": "=", r"\in": "in", r"\cup": "cup", r"\mp": "mp", "**": "^"},
    **{r"\infty": "inf", r"\pi": "pi", r"\setminus": "setminus", r"\backslash": "setminus", r"\lbrack": "["},
    **{
        r"\rbrack": "]",
        r"\%": "%",
        r"\$": "money",
        "$": "money",
        r"\euro": "money",
        r"\pounds": "money",
        r"\colon": ":",
    },
    **{r"\imath": "i", r"\prime": "'", r"\#": "#", r"\&": "&", r"\\": r"\\"},
}
SPOKEN = {"negative": "-", "minus": "-", "plus": "+", "times": "*", "union": "cup"}
LOGIC = {"and": "and", "or": "or"}


@lru_cache(maxsize=4096)
def clean(text: str) -> str:
    """Return `text` in ASCII where possible, without delimiters, sizes, outer wrappers and punctuation at its end."""
    text = _ascii(normalise(text))
    for pattern, replacement in DRESSING:
        text = pattern.sub(replacement, text)
    for _ in range(MAX_WRAPPERS):
        before, text = text, _bare(_unwrapped(text.strip()))
        if text == before:
            break
    return _ungrouped(text)


def separated(text: str) -> str | None:
    """Return cleaned text with its grouping commas as separators, `None` where it groups nothing."""
    return clean(spaced) if (spaced := GROUPED.sub(lambda run: run[0].replace(",", ", "), text)) != text else None


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    text = RAISED.sub(lambda run: "^{" + run[0].translate(SUPERSCRIPTS) + "}", text)
    text = LOWERED.sub(lambda run: "_{" + run[0].translate(SUBSCRIPTS) + "}", text)
    return "".join(UNICODE.get(character, character) for character in text)


def _unwrapped(text: str) -> str:
    """Peel one command, or one pair of braces, that encloses the whole text."""
    opening = WRAPPER.match(text)
    start = opening.end() if opening else int(text[:1] == "{")
    if not start or closing(text, start) != len(text) - 1:
        return text
    return text[start:-1]


def _bare(text: str) -> str:
    for mark in ("**", "`", '"'):
        if len(text) > 2 * len(mark) and text.startswith(mark) and text.endswith(mark):
            text = text[len(mark) : -len(mark)]
    bare = text.strip().rstrip(TRAILING)
    # A backslash before the punctuation is a spacing command that lost its tail; "5!" and "0.333..." are values.
    tail = text.strip()[len(bare) :].rstrip(" ")
    return bare + tail if tail[:1] == "!" or tail.startswith("...") or bare.endswith("\\") else bare


def closing(text: str, start: int) -> int:
    """Return the index of the brace that closes the group opened before `start`, -1 where there is none."""
    depth, index, end = 1, start, len(text)
    while index < end:
        character = text[index]
        if character == "\\":
            index += 1
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if not depth:
                return index
        index += 1
    return -1


def _ungrouped(text: str) -> str:
    """Join 1,000,000 and 1 000 000; inside brackets a comma separates, as in the point (100,200)."""
    text = SPACED.sub(lambda run: run[0].replace(" ", ""), text)
    if "," not in text:
        return text
    depths, depth = [], 0
    for index, character in enumerate(text):
        depth += (character in "([") - (character in ")]")
        if character in "{}" and index and text[index - 1] == "\\":
            depth += 1 if character == "{" else -1
        depths.append(depth)
    return GROUPED.sub(lambda run: run[0] if depths[run.start()] else run[0].replace(",", ""), text)


def tokens(text: str) -> list[str]:
    """Return the tokens of cleaned text. Raises `Unreadable` where it is too long."""
    if len(text) > MAX_LENGTH:
        raise Unreadable("the answer is too long to be read")
    found = _scan(text, 0)
    if len(found) > MAX_TOKENS:
        raise Unreadable("the answer is too long to be read")
    return found


def _scan(text: str, depth: int) -> list[str]:
    found: list[str] = []
    at, spaced = 0, False
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise Unreadable(f"{text[at]!r} cannot be read")
        at = match.end()
        if match["text"]:
            end = closing(text, at)
            if end < 0:
                raise Unreadable("a brace is not closed")
            found += _texts(text[at:end], found, depth)
            at = end + 1
        elif match["space"] is None:
            found += _pieces(match, found, spaced)
        spaced = match["space"] is not None
    return found


def _pieces(match: re.Match[str], found: list[str], spaced: bool) -> list[str]:
    if match["number"]:
        # "3 1/2": only the space says that this is a mixed number.
        whole = spaced and len(found) > 0 and found[-1].isdigit() and found[-2:-1] not in (["_"], ["^"])
        mixed = whole and match["number"].isdigit() and match.string[match.end() :].lstrip().startswith("/")
        return ["mixed", match["number"]] if mixed else [match["number"]]
    if match["blackboard"]:
        return ["set" + match["blackboard"]]
    if match["environment"]:
        return [match["environment"] + ":" + match["kind"].rstrip("*").replace("dcases", "cases")]
    if match["command"]:
        return [_command(match["command"])]
    if match["word"]:
        return _word(match["word"])
    return [SYMBOLS.get(match["symbol"], match["symbol"])]


def _command(command: str) -> str:
    name = command[1:]
    if command in SYMBOLS:
        return SYMBOLS[command]
    name = SPELLINGS.get(name, name)
    return name if (name in FUNCTIONS and name not in ("sqrt", "binom")) or name in GREEK else command


def _word(word: str) -> list[str]:
    if word in SPOKEN:
        return [SPOKEN[word]]
    lower = SPELLINGS.get(word.lower(), word.lower())
    if lower in FUNCTIONS or lower in ("pi", "inf") or lower in LOGIC:
        return [lower]
    if word in GREEK and word not in ("nu", "mu", "xi", "eta", "ell", "chi"):
        return [word]
    if len(word) == 1:
        return [word]
    for name in ("sqrt", "sin", "cos", "tan", "log", "ln", "pi"):
        rest = word.removeprefix(name)
        if rest != word and len(rest) == 1:
            return [name, rest]
    # A run of letters is a product as long as nobody would read it as a word.
    return list(word) if len(word) <= 3 and word.lower() not in WORDS else ['"' + word]


def _texts(content: str, found: list[str], depth: int) -> list[str]:
    r"""Return the tokens of \text{...}: words and units stay text, mathematics in the dress of text is read."""
    inner = content.strip()
    word = inner.lower().strip(" ,")
    if not word:
        return [","] if inner else []
    if word in LOGIC:
        return [LOGIC[word]]
    if inner in FUNCTIONS or inner in ("e", "i"):
        return [inner]
    after_value = bool(found) and (found[-1][0].isdigit() or found[-1] in ("{", "}", ")", "/", "pi", r"\degree"))
    if after_value and words.unit(inner) and re.search("[A-Za-z]", inner):
        return ['"' + inner]
    if re.search(r"[A-Za-z]{2}", re.sub(r"\\[A-Za-z]+", "", inner)):
        return ['"' + inner]
    if depth > MAX_WRAPPERS:
        raise Unreadable("it is nested too deeply")
    return _scan(inner, depth + 1)


# Short words that a grader would read as words (units among them), never as products of variables.
WORDS = frozenset(
    """cm mm km in ft yd mi kg mg lb oz ml mph kph hr hrs min sec am pm sq cu deg usd yes no odd one two six ten the is
    are if not for all any none to of at by on it an as be so we has its day red men cup box boy day dog cat car
    bag pen egg mod lcm gcd ohm rad per each more less set""".split()
)
