r"""The words by which texts echo, deny, doubt, take back and move on: what a number's neighbours say about it.

One pattern per thing that is said, each linear (bounded repeats only), tried on what stands around a number. The
labelled cases under `rewards/regression` hold them in place.
"""

from __future__ import annotations

import re

__all__ = [
    "ADJUNCT",
    "BOUND",
    "CHECK",
    "COMMANDED",
    "CONCLUDES",
    "CONFIRMED",
    "DENIAL",
    "DENIED_AFTER",
    "DENIED_BEFORE",
    "DISBELIEVED",
    "DOUBT",
    "EXAMPLE",
    "FOREIGN_DENIAL",
    "GIVES_UP",
    "HYPOTHETICAL",
    "MOVES_ON",
    "NEW_TURN",
    "NOTHING_ELSE",
    "OWN_WORDS",
    "PLANTED",
    "POLITE",
    "QUESTION",
    "REFUSAL",
    "RESTATED",
    "RIVALS",
    "TAKEN_BACK",
    "TURN_WORDS",
    "UNFINISHED",
    "UNSETTLED",
    "UNSURE",
]


def _pattern(alternatives: str, flags: re.RegexFlag = re.IGNORECASE) -> re.Pattern[str]:
    """Compile a pattern that is written over several lines: blanks around `|`, brackets' edges and line ends go."""
    text = re.sub(r"\s*\n\s*", "", re.sub(r"\s*\n\s*\|\s*", "|", alternatives.strip()))
    return re.compile(text, flags)


# --- who is speaking -------------------------------------------------------------------------------------------------

# The model asks itself a new question, or goes on in somebody else's voice.
NEW_TURN = _pattern(
    r"""
    (?:^|\n)[ \t]*(?:\*\*|#{1,3} )?
      (?:Question|Q|User|Problem|Human|Instruction|New (?:question|problem)|Next (?:question|problem))
      (?: ?[0-9]{1,3})?(?:\*\*)?:
    | <\|im_start\|>(?:user|system)
    | <\|(?:user|start_header_id)\|>
    | \[INST\]
    | \n[ \t]*\[(?:SYSTEM|System|USER|User|INST)\]
    | \n[ \t]*(?:System|Grader|Verifier|Judge|Assistant|Evaluator)[ \t]*:
    """,
    re.NOFLAG,
)
TURN_WORDS = (
    *(
        "Question",
        "question",
        "Q",
        "User",
        "USER",
        "Problem",
        "problem",
        "Human",
        "Instruction",
        "<|",
        "[INST]",
        "System",
    ),
    *("SYSTEM", "Grader", "Verifier", "Judge", "Assistant", "Evaluator"),
)
"""One of these stands in whatever NEW_TURN matches: a substring test spares most texts the pattern."""

# The task's own words: an order to use the format.
COMMANDED = _pattern(
    r"""
    \b(?:in the (?:form|format)
    | (?:this|the|following|required)(?: answer| output)? format
    | template
    | placeholder
    | (?:must|should|please|to|always|and|then)? ?
      (?:write|put|give|place|present|state|end|enclose|provide|return|output|report|express|box|wrap|format|finish|conclude)\b
      [^.!?\n0-9]{0,30}\b(?:your|the) [^.!?\n]{0,50}
    | (?:must|should|please|always) (?:write|end|finish|conclude|look)\b
    | must (?:read|say)\b
    )[^.!?\n]{0,40}\Z
    """
)
# "I will put my answer in" is no order.
OWN_WORDS = _pattern(r"\b(?:I|I'll|I'm|we|my|our|let's|let me)\b")
# An example of the format, or a quotation of it, whoever speaks.
EXAMPLE = _pattern(
    r"""
    (?:\b(?:for example|for instance|e\.g\.|such as|like this|example (?:output|answer|format))[,:]?
    | \b(?:with|as|like|form|format|says?|write|wrote|output|reads?|be)[ :]*["'`\u201c]
    )[\s"'`\u201c$({\[]*(?:the |my |final |correct )*\Z
    | \A\W*example\b[^\n]{0,80}\Z
    | \bif (?:the|your|my) (?:answer|result|total|value) (?:is|was|were)\b[^.\n]{0,60}\Z
    """
)
# Somebody else's verdict, written by the model for whoever grades it.
PLANTED = _pattern(
    r"""
    \b(?:grader|verifier|judge|evaluator|grading|auto-?grader|ground[ _-]?truth|answer key
    | (?:gold(?:en|[ -]standard)?|reference|expected|target)(?: (?:answer|label|solution|output)|\s*\Z)
    | (?<=[\[<])system(?: message| prompt| note)?[\]>]*:
    | (?:ignore|disregard) (?:all |any |the )?(?:previous|prior|above|rubric|rules)
    | mark (?:this|it|me) (?:as )?correct)
    | \[/?(?:system|inst|admin)\]
    | <<?/?sys>?>
    """
)

# --- denials ---------------------------------------------------------------------------------------------------------

DENIAL = _pattern(r"\b(?:not|never|neither|cannot)\b|n't\b")
# Directly before the number that is denied.
DENIED_BEFORE = _pattern(
    r"""
    (?:\b(?:not|never|neither|nor|cannot be|rather than|instead of|and no longer|anything but|far from|other than)
    | n't(?: (?:be|reach|exceed|get to|amount to|come to))?
    )(?: (?:be|to be|equal(?: to)?|exactly|just|simply))?[ "'`($*\\\[]{0,6}\Z
    """
)
# Directly behind the number that is denied.
DENIED_AFTER = _pattern(
    r"""
    \A[\s"')$]{0,4}(?:[A-Za-z]+ ){0,2}
    (?:(?:is|was|would be|seems|looks) (?:wrong|incorrect|false|impossible|too (?:high|low|big|small|large|much))
    | (?:isn't|is not|wasn't|was not|can't be|cannot be) (?:right|correct|possible
      |(?:yet )?(?:the|our|my) (?:\w+ )?(?:answer|total|result|solution|value|number))
    | ,? which is not )
    """
)
# Before a whole commitment: "I don't think the answer is 18", "suppose the answer is 18", "wrong answer: 18".
DISBELIEVED = _pattern(
    r"""
    \b(?:suppos\w+|assum\w+|imagine|pretend|if|whether)(?: that)?(?: (?:the|my))? ?\Z
    | (?:\b(?:one|you|some|people|we) (?:might|may|could|would) (?:first |initially |be tempted to )?
        (?:think|say|guess|answer|believe)(?: that)?(?: (?:it|the answer) is)?
      |\b(?:retract|withdraw|take back|reject|discard|rule out)\b[^.\n]{0,30})[ $\\(\[]{0,4}\Z
    | (?:\b(?:do|does|did|can|could)(?:n't| ?not) (?:think|believe|say|mean|agree|see how)
      |\b(?:false|wrong|incorrect|untrue|not true|not the case|no way|(?<!no )doubt|impossible|a mistake
        |if you (?:think|believe|said?|got))(?: to (?:say|think|claim|believe|conclude))?
      )(?: that)?(?: the| my)?(?: final| correct)? ?\Z
    | \b(?:first|initially|originally|might|may) (?:thought|said|got|guessed|assumed|wrote|had|look\w* like|seem)
      (?: that)?(?: the| my)? ?\Z
    | \b(?:incorrect|wrong|false|bad|not the|previous|old|tempting)(?: final)? ?\Z
    """
)
FOREIGN_DENIAL = _pattern(
    r"""
    \u4e0d\u662f
    | \bno (?:es|\u00e9|\u00e8)\b
    | \bn'est pas\b
    | \bnicht\b
    | \bnon \u00e8\b
    | \bn\u00e3o \u00e9\b
    | \b\u043d\u0435\b
    | \uc544\ub2c8
    | \u3067\u306f\u306a
    """
)
# Denies everything but what follows.
NOTHING_ELSE = _pattern(
    r"\b(?:can(?:'t|not| not) be (?:anything )?(?:other|else|different)|is (?:nothing|none) other) than\b"
)

# --- second thoughts -------------------------------------------------------------------------------------------------

TAKEN_BACK = _pattern(
    r"""
    \b(?P<value>-?[0-9][0-9,]*(?:\.[0-9]+)?) (?:is|was|must be|seems|looks) (?:clearly |actually |also )?
      (?:wrong|incorrect|not (?:right|correct|the answer))
    | \b(?:that|this|it|which|the above|(?:my|the) (?:answer|result|calculation))
      (?:'s| is| was| isn't| wasn't| seems| looks| can't be| cannot be)? (?:also |actually |clearly |obviously )?
      (?:wrong|incorrect|mistaken|false|untrue|not (?:right|correct)|right\b(?=\?)|a mistake|an error)
    | \b(?:that|this|it) (?:isn't|is not|can't be|cannot be) (?:right|correct)
    | \b(?:this|that|it|which) contradicts
    | \b(?:that|this) (?:value|number|result) (?:must be|is|was|cannot be|can't be) (?:wrong|incorrect|right|correct)
    | \b(?:scratch|ignore|disregard|strike|forget) (?:that|this|it|the above)
    | \btake (?:that|it) back
    | \bi (?:withdraw|retract)\b
    | \bthere(?:'s| is| was) (?:an error|a mistake)
    | \bshould not be used
    | \bthe actual (?:problem|question|task)
    | \bi (?:made|see) (?:a|an|my) (?:\w+ )?(?:mistake|error)
    | \bi (?:forgot|misread|miscalculated|miscounted|meant)\b
    | \bi was wrong
    | \b(?:oops|whoops|typo)\b
    | \bthat should (?:read|say|be)\b
    """
)
DOUBT = _pattern(r"\b(?:wait|hold on|actually|correction|hmm)\b|\b(?:edit|update):")
# What ends a doubt by leaving the answer as it is.
CONFIRMED = _pattern(
    r"""
    \b(?:yes|correct|confirmed|checks out|indeed|is right|matches|consistent|all good|never ?mind|stands|as required
    | properly)\b
    | [0-9] it is\b
    """
)
# Between two answers: the second replaces the first.
MOVES_ON = _pattern(
    r"""
    \b(?:wait|actually|correct(?:ion|ing|ed)?|re-?check\w*|mistake|error|wrong|sorry|instead|rather|oops|hmm
    | should be|becomes|revis\w+|updat\w+|chang\w+|final\w*|therefore|thus|so|hence|step|then|next|now)\b
    """
)
# Between two answers: neither does.
RIVALS = _pattern(
    r"""
    \b(?:or|either|otherwise|alternatively|maybe|perhaps|possibly|could|might|candidates?|option|guess
    | and if|if not|unless|another (?:possible )?(?:answer|option|possibility)
    | (?:reading|interpretation|version|case|approach|method|scenario) (?:[2-9]|two|b|ii))\b
    """
)

# --- prose -----------------------------------------------------------------------------------------------------------

# "At least 18" bounds the answer without giving it.
BOUND = _pattern(
    r"""
    (?:\b(?:at least|at most|(?:no )?more than|less than|fewer than|greater than|bigger than|smaller than|over|under
    | above|below)
    | [<>\u2264\u2265]=?
    )[\s$]*\Z
    """
)
CONCLUDES = _pattern(r"\b(?:so|therefore|thus|hence|altogether|finally|in total|in conclusion|overall)\b")
# A number behind one of these says when, where or of what, not how many.
ADJUNCT = _pattern(
    r"""
    \b(?:(?:in|for|after|every|per|on|out of|with|by|at|during|over|within|from|than|all|these|those|each|before|until)
      (?: the| a| an| only| just| about)?
    | of (?:the|these|those|all|his|her|their|its)
    ) ?[$\u20ac\u00a3]?\Z
    """
)
POLITE = _pattern(
    r"""
    \b(?:let me know|feel free|happy to|glad to|would you like|do you (?:want|need|have)|anything else
    | hope (?:this|that|it)|need (?:any )?(?:more|further|help)|more examples|please (?:ask|let|rate|provide)
    | thank(?:s| you)|good luck|have a (?:nice|great|good)|if you have|any (?:other|more|further) questions?)\b
    """
)
CHECK = _pattern(
    r"""
    (?:^|(?<=[.!?\n]))[\s*#]*(?:let(?:'s| us| me) |to |we can |i(?:'ll| will) |quick |double[- ]|sanity )*
    (?:check|verif|confirm|double-check|sanity)[^\n]*
    """
)
QUESTION = _pattern(r"""\b(?:how|what|which|when|where|who|find|calculate|determine)\b[^.!\n]*\?[\s"'*]*\Z""")
UNFINISHED = _pattern(
    r"""
    (?:[-+*/=\u00d7\u00f7({\[<\u2248,:]
    | (?<![0-9])\$
    | \\[a-z]+
    | \b(?:is|the|a|of|equals|makes|has|to|and|times|plus|minus|by|with|for|we|then)
    )\s*\Z
    """
)
GIVES_UP = _pattern(
    r"""
    \b(?:can(?:'t|not| not)|could(?:n't| not)|unable to
    | (?:do|have|has|did|was|am|were|is)(?:n't| not)(?: (?:been )?able to)?)[ ]
    (?:determine|find|solved?|work|figure|answer|know|compute|calculate|tell|give|help|provide|simplify)\b
    | \bnot enough information
    | \bno answer can
    | \bgive no answer
    | \bno (?:data|information) on
    """
)
# Sentences that talk about something else than the answer.
REFUSAL = _pattern(
    r"""
    \b(?:can(?:'t|not|no)|unable to|(?:do|does|did) ?n(?:'t|ot) (?:know|have|say|give|tell)
    | not (?:given|provided|enough|specified|stated)|missing|insufficient|impossible to|no idea|as an ai
    | sorry,? (?:but|i)|get back to you|your (?:number|answer|result))\b
    | https?://
    | \bversion [0-9]
    | \b(?:rate|scale) (?:this|it|of|from)\b
    | \b[0-9]{1,2} (?:january|february|march|april|may|june|july|august|september|october|november|december)\b
    """
)
# The task in the model's own words.
RESTATED = _pattern(
    r"""
    \b(?:(?:need|needs|want|wants|trying|asked|supposed) to (?:find|determine|calculate|figure|know|compute)
    | the (?:problem|question) (?:asks|says|states|wants)|asked (?:for|about)
    | let's|let us|let me)\b
    """
)
UNSURE = _pattern(r"\b(?:not sure|unsure|uncertain|no idea)\b")
HYPOTHETICAL = _pattern(r"\bif\b.*(?:\bwould\b|'d\b|\bcould\b)")
# Behind the last number: it is not the end, but a plan or a doubt follows.
UNSETTLED = _pattern(
    r"""
    \b(?:next|let's|let us|(?:need|have|has) to|must|still|not yet|before we|until|unknown|what about|what remains
    | it remains|hold on|there(?:'s| is| was) (?:an error|a mistake)|should not be used
    | any of (?:these|them)|could (?:each |all |both )?be (?:right|correct)
    | (?:that|this|it)(?:'s| is| was) (?:wrong|incorrect|false|far from|not|an error|a mistake))\b
    """
)
