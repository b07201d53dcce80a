"""Tables as Markdown and LaTeX; one function per format escapes every text, since names of splits are the file's."""

import re

from src.analysis.records import Study
from src.structures import printable

MARKDOWN = {"<": "&lt;", ">": "&gt;", "&": "&amp;", **{c: f"\\{c}" for c in "\\`*|~$!"}}
TEX = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": "$<$", ">": "$>$",
       "|": "$|$", "+-": r"$\pm$", "`": r"\textasciigrave{}", **{c: f"\\{c}" for c in "{}$&#%_"}}


def to_markdown(study: Study) -> str:
    """All tables as Markdown."""
    parts = [f"# {markdown(study.title)}", *(f"> {markdown(note)}" for note in study.notes)]
    for caption, footnote, (head, *body) in study.tables:
        lines = [map(markdown, head), ["---"] * len(head), *(map(markdown, line) for line in body)]
        parts.append("\n".join([f"**{markdown(caption)}.** {markdown(footnote)}", "",
                                *(f"| {' | '.join(line)} |" for line in lines)]))
    return "\n\n".join(parts) + "\n"


def to_tex(study: Study) -> str:
    """All tables as LaTeX with booktabs; one table environment each."""
    parts = ["% needs \\usepackage{booktabs}"]
    for caption, footnote, (head, *body) in study.tables:
        lines = [" & ".join(map(tex, line)) + r" \\" for line in (head, *body)]
        parts.append("\n".join([
            r"\begin{table}", r"\centering", rf"\caption{{{tex(caption)}. {tex(footnote)}}}",
            rf"\begin{{tabular}}{{ll{'r' * (len(head) - 2)}}}", r"\toprule", lines[0], r"\midrule", *lines[1:],
            r"\bottomrule", r"\end{tabular}", r"\end{table}"]))
    return "\n\n".join(parts) + "\n"


def markdown(text: str) -> str:
    """One line of text that Markdown shows as it is: no element, no link or image, no further column."""
    shown = re.sub(r"[<>&\\`*|~$!]", lambda found: MARKDOWN[found[0]], printable(text))
    return re.sub(r"\](?=[(\[:])", r"\\]", shown)


def tex(text: str) -> str:
    """One line of text that LaTeX sets as it is, also as the first cell of a row, where [ and * would be arguments."""
    shown = re.sub(r"\+-|[\\^~<>|`{}$&#%_]", lambda found: TEX[found[0]], printable(text))
    return f"{{}}{shown}" if shown.startswith(("[", "*")) else shown
