"""The words by which a thought marks what it concludes."""

from __future__ import annotations

import re

ANSWER = re.compile(
    r"""(?<!wrong\s)(?<!incorrect\s)(?<!the\sother\s)
        (?i:\banswer\b(?:\s+(?:here|to\s+[^.]{0,60}))?
           |\b(?:correct|right|best|my|final|appropriate|suitable)\s+(?:option|choice|letter|one|answer)\b)
        [\s*_"')]*
        (?:(?:is|should\s+be|would\s+be|must\s+be|has\s+to\s+be|will\s+be|would\s+then\s+be)\b
           (?!\s+(?:not|neither)\b)|[:=]|-{1,3}>)[\s:]*
      | \bI(?:'d|'ll|\s+would|\s+will)?\s+(?:\w+\s+)?
        (?:choose|pick|select|go\s+(?:with|for)|opt\s+for|answer|settle\s+(?:on|for))\b:?
      | \b(?:choose|pick|select|going\s+with|[Aa]nswer|matches|corresponds\s+to|fits|aligns\s+with
           |points\s+to|i\.e\.)\s+
        (?=["'(*]*(?:with\s+)?(?:[Oo]ption\s+|[Cc]hoice\s+|[Aa]nswer\s+)?["'(*]*[A-H]\b)""",
    re.X,
)
"""What announces an explicit answer; it follows."""

CORRECT = re.compile(
    r"[\s)\]*\"']*(?:is|must be|has to be|looks|seems)\s+(?:the\s+)?(?:most\s+)?"
    r"(?:correct|right|best|answer|appropriate|suitable)\b",
    re.I,
)
"""What makes an explicit answer of the letter before it."""

WOULD_BE = re.compile(r"\bwould\s+(?:(?!not\b)\w+\s+){0,2}?be\b", re.I)
"""What states carefully, of what follows it."""

BOX = re.compile(r"\\f?boxed\s*\{")

CONCLUSION = re.compile(
    r"""^\W*(?:so|therefore|thus|hence|consequently|accordingly|finally|overall|in\s+(?:total|all|short|sum)|total
        |all\s+in\s+all|result|conclusion|i\.e|final\s+answer|that\s+makes|makes)\b
      |^[^\w,]*then\b|^\W*(?:-{1,3}>|=>|→|⇒)
      |\b(?:which|that|this|it)\s+(?:means|makes|leaves|settles|gives)\b
      |\b(?:must|has\s+to|have\s+to|ought\s+to)\s+be\b
      |\b(?:conclude|leaving|leaves|remains|left\s+with|altogether|in\s+total)\b
      |\b(?:that|it|this)\s+(?:would|should)\s+(?:then\s+)?be\b
      |\b(?:reduces|comes|amounts|adds\s+up)\s+to\b|\bequals\b
      |\b(?:guess|bet|verdict|choice|option|result|total|sum|difference|count|conclusion)\s+
        (?:is|should\s+be|must\s+be|would\s+be|=)""",
    re.I | re.X,
)
"""What draws a conclusion, before the option."""

ONLY = re.compile(r"\bonly\W{1,3}(?:\w+\W{1,3})?\Z", re.I)
"""What draws one as well, directly before the option."""

OPINION = re.compile(
    r"""\bI(?:'d|\s+would)?\s+(?:\w+\s+)?(?:say|think|believe|guess|call|get|count|lean|describe|trust)\b
      |\b(?:probably|presumably|likely|evidently|obviously|clearly|certainly|definitely|indeed)\b
      |\b(?:it|that|this|he|she|they)(?:\s+one)?(?:'s|'re|\s+(?:is|are|was|lies|sits|stands|hangs|seems|looks|appears))\b|\b\w{2,}est\b.{0,80}?\b(?:is|=|are)
      |\b(?:characteristic|indicative|typical)\s+of\b|\b(?:suggests?|indicates?|indicating|suggesting)\b""",
    re.I | re.X,
)
"""What states something as seen or believed, before the option."""

THERE = re.compile(r"\bthere(?:'s|\s+is|\s+are|\s+were|\s+seem\s+to\s+be|\s+appear\s+to\s+be)\W", re.I)
"""What says that something exists."""

CLOSING = re.compile(r"\W*(?:it is|then|fits(?: best)?|remains|is left|wins|it must be)\W*", re.I)
"""What makes a conclusion of the option before it: "The shelf it is"."""

SATISFIES = re.compile(
    r"[\s)]*(?:alone\s+)?(?:fits|matches|works|satisfies|describes\s+(?:it|this|what|the\s+scene)"
    r"|does\b(?!n't| not)|agrees|has everything|remains)\b"
)
"""What says of the letter before it that it meets the question."""

SUBORDINATE = re.compile(
    r"^\W*(?:since|because|as|while|although|though|when|where|whereas|even\s+though|given)\b", re.I
)
"""What makes a clause a reason or a side remark."""

RULED_OUT_AFTER = re.compile(
    r"[\s)\]*]*(?:(?:is|are|was|can|must|does|has|would)\s*(?:n't|not|out|wrong|false|incorrect|ruled|mirrored|too"
    r"|the wrong)|cannot|fails)\b|\s*\((?:too|wrong|no)\b",
    re.I,
)
RULED_OUT_BEFORE = re.compile(
    r"(?:\bnot|n't|\bneither|\bnor|\brul(?:es?|ed|ing)\s+out|\beliminat\w+|\bexclud\w+|\bcross\s+out|\brather\s+than"
    r"|\binstead\s+of|\bunlike)[\s(*:]+(?:(?:be|option|choice|it|really|the|either)[\s(*]+){0,2}"
    r"(?:[A-H]\)?\s*(?:,|and|or)\s*(?:not\s+)?)*$",
    re.I,
)
EITHER = re.compile(r"\b(?:or|either|both|versus|vs)\b", re.I)

LISTED = re.compile(r"^[ \t*>-]*\(?([A-H])[.):](?=\s).*$", re.M)
"""A line that recites an option or discusses it."""

_NEAR = 80  # characters


class Said:
    """Where a clause begins to conclude something, or to state an opinion."""

    def __init__(self, own: str) -> None:
        """Look through a clause once."""
        self._own = own
        concluded, opinion = CONCLUSION.search(own), OPINION.search(own)
        self._concluded = concluded.end() if concluded else len(own) + 1
        self._opinion = opinion.end() if opinion else len(own) + 1

    def concluded_before(self, offset: int) -> bool:
        """Whether what stands before ``offset`` draws a conclusion."""
        return (
            self._concluded <= offset or ONLY.search(self._own[max(0, offset - _NEAR) : offset]) is not None
        )

    def concluded_to(self, offset: int) -> int:
        """Return where the last conclusion before ``offset`` has been announced; 0 when none has."""
        return max((m.end() for m in CONCLUSION.finditer(self._own, 0, offset)), default=0)

    def before(self, offset: int) -> bool:
        """Whether what stands before ``offset`` draws a conclusion or states an opinion."""
        return self._opinion <= offset or self.concluded_before(offset)
