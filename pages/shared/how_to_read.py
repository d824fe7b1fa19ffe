"""A few sentences for each page: what one reads first on it, what is good, and what must not be read into it."""

from __future__ import annotations

import streamlit as st

# The title of a page -> its sentences.
TEXTS = {
    "Start": (
        "A study is one dataset, one kind of model, one set of images to forget, and several ways to forget them, each "
        "on several models. Run the example first; it is small and real. Everything else in this app looks at the "
        "study that is chosen at the top of this bar."
    ),
    "Explore": (
        "Each point is an image, placed by what the model makes of it: neighbours look alike to the model, far "
        "distances mean little. Images that lie among ones you keep are entangled; the paper finds that forgetting "
        "them harms the rest, and the landscape on Plan measures whether it does on your images. A high score in the "
        "histogram means that the model knows an image by having seen it rather than by its likeness to others. "
        "Numbers of a set stand beside those of random sets of the same size, for alone they say little: near 100 % it "
        "is harder to forget than these by that number. Random sets of the same classes tell what is unusual for its "
        "classes; a set of whole classes has none."
    ),
    "Plan": (
        "Your set is cut into parts that are alike, and each part gets the algorithm that suits it, in an order. What "
        "is suggested comes from finished runs and is never set without you. The cost is an estimate with a range, "
        "from what runs took on this machine, corrected by what earlier jobs took against theirs."
    ),
    "Runs": (
        "One line for each job: sort the table by a click on a head, and pick a row to see that job alone, with what "
        "each step of its plan changed. Jobs go on when you close this page or the server stops, and what was "
        "finished is kept when one is cancelled or dies. Two people who start the same job share it."
    ),
    "Compare": (
        "The aim is a model retrained without the images, not the lowest accuracy on them: too much forgotten is a "
        "failure too. A group ToW near 1 is close to retraining; the ceiling is one retrained model against another. "
        "Bars are 95 % intervals over seeds, and a difference inside them decides nothing."
    ),
    "Audit": (
        "An attack tries to tell forgotten images from ones never seen. Read the unlearned model beside the retrained "
        "one, which is the value to reach, and beside the original: where the attack does not even find that, it has "
        "no power and proves nothing. Attacks on single images find what attacks with one rule for all images miss. "
        "*All evidence* has the verdict of every kind of evidence that was collected."
    ),
    "Report": (
        "What a person needs who was not here, as one file that needs no network. Every number stands with what a "
        "perfect run would read, and the last part says what is not claimed. The command at its end makes the study "
        "anew."
    ),
    "Guess": (
        "You play the attacker. With an original that remembers the images, “the surer one was trained on” is right "
        "more often than with a retrained model; where the images are harder than most, that can still be for less "
        "than half of the pairs. With a good unlearned model it is as often right as with a retrained one. Ten pairs "
        "are few: the numbers at the end are over all images."
    ),
}


def draw(title: str) -> None:
    """The sentences of a page, folded away, in the sidebar."""
    with st.expander("How to read this page", icon=":material/help:"):
        st.markdown(TEXTS[title])
