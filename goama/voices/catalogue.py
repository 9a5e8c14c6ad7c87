"""The voices: what each is, how much of it there is, where it comes from and under which licence.

Clips and minutes are what the readers keep of the package versions in Debian 12.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Voice:
    """One set of transcribed recordings.

    clips, minutes: usable ones. packages: Debian packages, in the order of their licences.
    fastest: a text is too long for its recording above this multiple of the voice's median pace.
    """

    name: str
    language: str
    minutes: int
    clips: int
    speakers: int
    packages: tuple[str, ...]
    licence: str
    attribution: str
    description: str
    fastest: float = 2.2


def _asterisk(language: str, minutes: int, clips: int, licence: str, speaker: str, description: str) -> Voice:
    text = f"asterisk-core-sounds-{language}"
    packages = (text, f"{text}-g722")
    attribution = f"{speaker}, for the Asterisk project (Digium, Inc.)"
    return Voice(f"asterisk-{language}", language, minutes, clips, 1, packages, licence, attribution, description)


def _tuxpaint(language: str, minutes: int, clips: int, speaker: str, speakers: int, description: str) -> Voice:
    return Voice(
        f"tuxpaint-{language}",
        language,
        minutes,
        clips,
        speakers,
        ("tuxpaint-stamps-default",),
        "GPL-2",
        f"Bill Kendrick and the contributors to Tux Paint; read by {speaker}",
        description,
        fastest=1.75,  # many texts were lengthened after the recording
    )


def _drascula(language: str, minutes: int, clips: int, package: str, description: str) -> Voice:
    return Voice(
        f"drascula-{language}",
        language,
        minutes,
        clips,
        10,
        (package, "scummvm-data"),
        "Drascula-License (freeware, free by the DFSG); string tables of ScummVM: GPL-2+",
        "Alcachofa Soft S.L.; string tables compiled by the ScummVM team",
        description,
    )


def _fillets(language: str, minutes: int, clips: int, speakers: int, team: str, description: str) -> Voice:
    return Voice(
        f"fillets-{language}",
        language,
        minutes,
        clips,
        speakers,
        (f"fillets-ng-data-{language}", "fillets-ng-data"),
        "GPL-2",
        f"ALTAR interactive, Ivo Danihelka, Pavel Danihelka and {team} of Fish Fillets NG",
        description,
    )


VOICES: tuple[Voice, ...] = (
    _fillets(
        "nl",
        94,
        1591,
        2,
        "the Dutch team",
        "Dutch: two actors in the dialogues of a puzzle game, colloquial and lively",
    ),
    _fillets("cs", 101, 1766, 26, "the actors", "Czech: the same dialogues, two fish and whom they meet, lively"),
    _asterisk("en", 22, 517, "CC-BY-SA-3.0", "Allison Smith", "English: telephone prompts and single words"),
    _asterisk("es", 27, 444, "CC-BY-SA-3.0", "Allison Smith", "Mexican Spanish: telephone prompts and single words"),
    _asterisk("fr", 22, 474, "CC-BY-SA-3.0", "June Wallack", "Canadian French: telephone prompts and single words"),
    _asterisk("it", 20, 531, "CC-BY-3.0", "Carlo Flora", "Italian: telephone prompts and single words"),
    _asterisk("ru", 21, 513, "CC-BY-3.0", "Maxim Topal (ivrvoice.ru)", "Russian: telephone prompts and single words"),
    _tuxpaint("ro", 19, 635, "Tabbytha", 1, "Romanian: names and short descriptions of pictures"),
    _tuxpaint("es", 17, 611, "Estefania Ortiz", 1, "Spanish: names and short descriptions of pictures"),
    _tuxpaint("ru", 14, 626, "Edwin Veber", 1, "Russian: names and short descriptions of pictures"),
    _tuxpaint("fr", 14, 650, "PaulK and Jacques Chion", 2, "French: names and short descriptions of pictures"),
    _tuxpaint("be", 12, 535, "Kseniya Buraya", 1, "Belarusian: names and short descriptions of pictures"),
    _tuxpaint("bg", 12, 627, "Krasimir Petkov", 1, "Bulgarian: names and short descriptions of pictures"),
    _tuxpaint("el", 12, 416, "Kiriaki Serafeim", 1, "Greek: names and short descriptions of pictures"),
    _tuxpaint("ca", 11, 622, "Pere Pujal i Carabantes", 1, "Catalan: names and short descriptions of pictures"),
    _tuxpaint("da", 5, 295, "Joe Dalton", 1, "Danish: names and short descriptions of pictures"),
    Voice(
        "festvox-ru",
        "ru",
        99,
        620,
        1,
        ("festvox-ru",),
        "BSD-like",
        "Nickolay V. Shmyrev",
        "Russian: one man reads sentences from novels",
    ),
    Voice(
        "queen-en",
        "en",
        267,
        6491,
        74,
        ("flight-of-the-amazon-queen",),
        "Flight-of-the-Amazon-Queen-License (freeware, free by the DFSG)",
        "John Passfield and Steven Stamatiadis",
        "English: the dialogues of an adventure game, many actors, 11 kHz sound",
    ),
    _drascula("en", 46, 733, "drascula", "English: the dialogues of an adventure game, 11 kHz sound"),
    _drascula("es", 40, 725, "drascula-spanish", "Spanish: the dialogues of an adventure game, 11 kHz sound"),
)
