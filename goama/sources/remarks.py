"""Kinds of remarks: what the readers decided about clips that are used all the same."""

KEPT = "overlap-kept"
TRIMMED = "overlap-trimmed"
INTERPOLATED = "times-interpolated"
LENGTH = "length-mismatch"

IN_WORDS = {
    KEPT: "overlap another clip of their recording and are kept as they are (--overlaps keep)",
    TRIMMED: "are cut at the middle of an overlap with another clip (--overlaps trim)",
    INTERPOLATED: "have no times in the file: theirs are spread evenly between their neighbours, as ELAN shows them",
    LENGTH: "are from an annotation file whose length is not that of its recording",
}
"""Kind -> what such clips do or are, for a sentence that begins with their number."""
