"""From transcripts as typed to the labels that a CTC model learns, and back.

`Normaliser` cleans a transcript, `Vocabulary` turns the clean text into ids and ids into text.
"""

from goama.text.normaliser import Normaliser
from goama.text.vocabulary import CharacterReport, RareUnit, Vocabulary

__all__ = ["CharacterReport", "Normaliser", "RareUnit", "Vocabulary"]
