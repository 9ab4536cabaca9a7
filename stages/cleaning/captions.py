"""Captions of a recorded call, as WebVTT, SubRip (.srt) and YouTube (.sbv) write them: lines of text.

https://www.w3.org/TR/webvtt1/ A cue is as much as a screen shows and no turn, so cues of one voice
that follow each other are joined.
"""

import re

TIME = r"(?:\d{1,3}:)?\d{1,2}:\d{2}(?:[.,]\d{1,3})?"
TIMING = rf"[ \t]*{TIME}(?:[ \t]*-->[ \t]*{TIME}[^\n]*|,{TIME}[ \t]*)"
SIEVE = rf"(?m)^{TIMING}$"
CUE = re.compile(TIMING)
VOICE = re.compile(r"<v(?:\.[^\s<>]+)*[ \t]+([^<>\n]+)>")
TIMED = "[00:00] "  # behind a time stands whoever speaks, whatever the name is
CHANGE = re.compile(r"^(?:(?:>{2,}|-)\s*)+(?=\S)")  # of who speaks
NO_SPEECH = re.compile(r"(?:WEBVTT|NOTE|STYLE|REGION)(?:\s|$)")


def caption_lines(text: str) -> str:
    """The text without times, numbers of cues and comments; a voice opens a line as `Name: text`."""
    cues: list[str] = []
    for block in re.split(r"\n[ \t]*\n", text.strip("\n\ufeff")):
        lines = block.split("\n")
        times = [number for number, line in enumerate(lines) if CUE.fullmatch(line)]
        if not times:
            if not NO_SPEECH.match(block):
                cues.append(block)  # a blank line within what is said
            continue
        # What stands before the first time is the cue's number, or the file's header.
        ends = [*(number - lines[number - 1].strip().isdigit() for number in times[1:]), len(lines)]
        cues += ["\n".join(lines[a + 1 : b]) for a, b in zip(times, ends, strict=True)]
    found, last = [], None
    for cue in cues:
        before, *voices = VOICE.split(cue)
        if before.strip():
            found.append(before)
            last = last if not voices else None
        for name, said in zip(voices[::2], voices[1::2], strict=True):
            name, said = " ".join(name.replace(":", " ").split()), said.replace("</v>", "").strip()
            found.append(said if name == last else f"{TIMED}{name}: {said}")
            last = name
    lines = (CHANGE.sub("", line.strip()) for text in found for line in text.split("\n"))
    return "\n".join(filter(None, lines))
