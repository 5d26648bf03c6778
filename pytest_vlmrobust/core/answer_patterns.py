"""What letters, conclusions, denials and hedges look like in the text of an answer."""

from __future__ import annotations

import re

from pytest_vlmrobust.core.mentions import vocabulary

MARKUP = re.compile(r"\\(?:text(?:bf|it|rm)?|math(?:rm|bf|it)|bf|rm|circ|displaystyle)\b|\\[()\[\],; ]|\^")
OPEN, CLOSE = r"[\s*_`\"'$(\[{<~#>:-]*+", r"[\s*_`\"'$)\]}>~]*+"
WORD_BEFORE = r"(?:(?:option|choice|answer|letter)\b)?+"
WHOLE = re.compile(rf"{OPEN}{WORD_BEFORE}{OPEN}(?P<letter>[a-z]){CLOSE}[.,:;!]?{CLOSE}\Z", re.I)
LABEL = re.compile(
    rf"{OPEN}{WORD_BEFORE}(?P<open>{OPEN})(?P<letter>[a-z])(?![\w'])(?!-\w)(?P<close>{CLOSE})", re.I
)
MARKED_A = re.compile(rf"{OPEN}A[\s*_]*(?:[.,:;)\]]|-\s)")  # a label, although texts drop articles
BARE_LABEL = re.compile(rf"{OPEN}(?P<letter>[A-H])\s+(?P<rest>\S.*)\Z", re.S)
ALONE = re.compile(r"(?<![\w'-])[A-H](?![\w'])(?!-\w)")
TAKES_NO_ARTICLE = vocabulary(
    "left right above below behind beneath under over on in inside outside near beside between to yes no "
    "true false"
)
EXPLAINED = re.compile(
    r"[.!?\n]|\b(?:because|since|as|but|not|rather|while|whereas|although|though|than)\b", re.I
)
HEDGED_AFTER = re.compile(r"[\s,]*(?:\bor\b|(?:-|/|\b(?:to|and)\b)\s*\d)", re.I)
HEDGED_BEFORE = re.compile(r"(?:\bor|\d\s*(?:-|/|\b(?:to|and)))\s*\Z", re.I)
NONE_OF = re.compile(r"\bnone\s+of\b[^.!?\n]*\Z", re.I)
LONGEST_STATEMENT = 12  # words behind a label that are taken as its option in other words
BOXED = re.compile(r"\\f?boxed\s*\{")
ONE_BOX = re.compile(rf"{OPEN}\\f?boxed\s*\{{(?P<inner>(?:[^{{}}]|\{{[^{{}}]*\}})*)\}}{CLOSE}[.]?{CLOSE}\Z")
CUE = re.compile(
    r"""(?<!wrong\ )(?<!incorrect\ )(?<!false\ )
        (?:\banswer(?:\s+(?:letter|choice|option|here))?|\b(?:correct|right|best|final|my)\s+(?:option|choice|letter)
           |\b(?:option|choice|conclusion)(?=\s*[:=]))
        [\s*_`"')\]]*
        (?:\s(?:is|would\ be|should\ be|must\ be|will\ be)\b(?!\s+(?:not|neither|no)\b)[\s:]*|[:=]>?|->|→)
      | \bI(?:\s+would|\s+will|'d|'ll)?\s+(?:choose|pick|select|say|go\s+with|opt\s+for)\b
        (?:\s+it(?:'s|\s+is)\b)?:?
      | (?:\b(?:so|thus|therefore|hence|it's|it\ is|that's)\b,?|=>|->|→)
        (?=[\s*_`"'$(\[]*(?:option\s+)?(?-i:[A-H])\b(?!['-]))""",
    re.I | re.X,
)
LOOSE = re.compile(
    r"""[(\[][ \t*]*(?P<paren>[A-Za-z])[ \t*]*[)\]]
      | \*\*[ \t]*(?P<bold>[A-Z])[ \t]*[.:)]?[ \t]*\*\*
      | \b(?:[Oo]ption|[Cc]hoice|[Aa]nswer)[ ]["'*]*(?P<named>[A-Z])\b(?!['-])
      | ^[ \t*>#-]*(?P<start>[A-Z])(?=[.:)](?!\w)|,|[ \t]+[;-][ \t]|[ \t]+(?:is|because|since|as)\b)
      | (?:^|[,;:]|\bto\ me)[ \t]*(?P<end>[A-Z])(?=[ \t]*(?:[.!]|$))""",
    re.X | re.M,
)
RIVAL = re.compile(
    rf"[\s,]*(?:\b(?:or|and)\b|[/&,]){OPEN}{WORD_BEFORE}{OPEN}(?P<letter>(?-i:[A-H]))(?![\w'])", re.I
)
AFTER_LABEL = re.compile(r"[.,:;!?/-]|\Z|(?:because|since|as|is|was|or|and|seems|fits|matches)\b", re.I)
RETRACTED = re.compile(
    r"\b(?:wait|scratch that|correction|on second thought|i was wrong|that's wrong|no,)", re.I
)
"""What takes back an answer that stands before it."""

REFUSED = re.compile(
    r"\b(?:cannot|can't|unable|not able|impossible|don't know|do not know|not sure|unsure|unclear|sorry|"
    r"not possible|if|whether|either|might|may|could|would)\b",
    re.I,
)
DENIED_BEFORE = re.compile(
    r"(?:\bnot|n't|\bneither|\bnor|\brul(?:es?|ed) out|\beliminat\w*|\brather than|\binstead of|\bexcept)"
    r"\W+(?:\w+\W+){0,2}\Z",
    re.I,
)
DENIED_AFTER = re.compile(
    r"[\s*)\]]*+(?:(?:is|are|was|can|must|would|does|seems|looks)\s*(?:\w+ly\s+)?(?:n't|not|wrong|false|"
    r"incorrect|out|impossible|unlikely|ruled|eliminated|excluded)|cannot)\b",
    re.I,
)
